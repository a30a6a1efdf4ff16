import { describe, expect, it } from 'vitest';
import { normalModuleName, readModuleInfo } from '../../../guest/builder/module-info.ts';

/** A minimal relocatable object: a null section, .modinfo, and the section names. */
const objectWith = (modinfo: string, sectionName = '.modinfo'): Buffer => {
  const names = Buffer.from(`\0${sectionName}\0.shstrtab\0`, 'latin1');
  const data = Buffer.from(modinfo, 'latin1');
  const table = 64 + data.length + names.length;
  const object = Buffer.alloc(table + 3 * 64);
  object.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  object.writeBigUInt64LE(BigInt(table), 0x28);
  object.writeUInt16LE(3, 0x3c);
  object.writeUInt16LE(2, 0x3e);
  data.copy(object, 64);
  names.copy(object, 64 + data.length);
  const section = (index: number, name: number, at: number, size: number): void => {
    object.writeUInt32LE(name, table + index * 64);
    object.writeBigUInt64LE(BigInt(at), table + index * 64 + 0x18);
    object.writeBigUInt64LE(BigInt(size), table + index * 64 + 0x20);
  };
  section(1, 1, 64, data.length);
  section(2, sectionName.length + 2, 64 + data.length, names.length);
  return object;
};

describe('readModuleInfo', () => {
  it('reads dependencies, soft ones before, and the version magic', () => {
    const object = objectWith('license=GPL\0depends=virtio,net-failover\0softdep=pre: crc32c a-b post: later\0vermagic=6.1.0 SMP\0');
    expect(readModuleInfo('x', object)).toEqual({ depends: ['virtio', 'net_failover'], softPre: ['crc32c', 'a_b'], vermagic: '6.1.0 SMP' });
  });

  it('finds nothing to depend on in an empty list', () => {
    expect(readModuleInfo('x', objectWith('depends=\0'))).toEqual({ depends: [], softPre: [], vermagic: undefined });
  });

  it.each([
    ['no ELF object', Buffer.alloc(100), /not a 64-bit ELF/],
    ['one without the section', objectWith('a=b\0', '.text'), /no \.modinfo/],
    ['one that is cut off', objectWith('a=b\0').subarray(0, 100), /cut off/],
  ])('refuses %s', (_what, object, message) => {
    expect(() => readModuleInfo('x', object)).toThrow(message);
  });
});

describe('normalModuleName', () => {
  it('writes names as the kernel does', () => {
    expect(normalModuleName('virtio-rng')).toBe('virtio_rng');
  });
});
