import { describe, expect, it } from 'vitest';
import { writeCpio } from '../../../guest/builder/cpio-newc.ts';

const header = (archive: Buffer, at: number) => {
  const field = (index: number): number => Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
  return { magic: archive.toString('latin1', at, at + 6), inode: field(0), mode: field(1), uid: field(2), gid: field(3), links: field(4), mtime: field(5), size: field(6), major: field(9), minor: field(10), nameSize: field(11) };
};

describe('writeCpio', () => {
  it('writes one header a file, with owner and time zero and its data padded to four bytes', () => {
    const archive = writeCpio([{ kind: 'file', path: 'a', mode: 0o755, data: Buffer.from('hello') }]);
    expect(header(archive, 0)).toEqual({ magic: '070701', inode: 1, mode: 0o100755, uid: 0, gid: 0, links: 1, mtime: 0, size: 5, major: 0, minor: 0, nameSize: 2 });
    // 110 bytes of header and "a\0" make 112: no padding before the data.
    expect(archive.toString('latin1', 112, 120)).toBe('hello\0\0\0');
    expect(header(archive, 120).magic).toBe('070701');
  });

  it('pads a name so that the data begins on a four byte border', () => {
    const archive = writeCpio([{ kind: 'file', path: 'abc', mode: 0o644, data: Buffer.from('x') }]);
    expect(archive.toString('latin1', 110, 117)).toBe('abc\0\0\0x');
  });

  it('numbers inodes from one in the order given', () => {
    const archive = writeCpio([{ kind: 'directory', path: 'd', mode: 0o1777 }, { kind: 'directory', path: 'e', mode: 0o700 }]);
    expect(header(archive, 0)).toMatchObject({ inode: 1, mode: 0o041777, links: 2, size: 0 });
    expect(header(archive, 112)).toMatchObject({ inode: 2, mode: 0o040700 });
  });

  it('writes the numbers of a character device', () => {
    expect(header(writeCpio([{ kind: 'character', path: 'c', mode: 0o600, major: 5, minor: 1 }]), 0)).toMatchObject({ mode: 0o020600, major: 5, minor: 1 });
  });

  it('writes the target of a link as its data', () => {
    const archive = writeCpio([{ kind: 'symlink', path: 'l', target: '/x' }]);
    expect(header(archive, 0)).toMatchObject({ mode: 0o120777, size: 2 });
    expect(archive.toString('latin1', 112, 114)).toBe('/x');
  });

  it('ends with the trailer and fills the last block of 512 bytes', () => {
    const archive = writeCpio([]);
    expect(archive.byteLength).toBe(512);
    expect(archive.toString('latin1', 110, 121)).toBe('TRAILER!!!\0');
  });
});
