import { describe, expect, it } from 'vitest';
import { LOADER_SCRIPT } from '../../../guest/builder/custom-init.ts';
import { layoutInitramfs } from '../../../guest/builder/initramfs-layout.ts';
import type { InitramfsContent } from '../../../guest/builder/initramfs-layout.ts';

const module = (name: string, parameters = '') => ({ name, parameters, data: Buffer.from(name) });
const content: InitramfsContent = {
  init: { kind: 'direct', data: Buffer.from('agent') },
  bootModules: [module('virtio_ring'), module('virtio')],
  lateModules: [module('fuse', 'x=1 y=2')],
  diskModules: [module('erofs', '')],
  identity: { name: 'default', version: '0.1.0' },
  extra: [],
};
const laidOut = (change: Partial<InitramfsContent> = {}) => new Map(layoutInitramfs({ ...content, ...change }).map((entry) => [entry.path, entry]));
const text = (entries: ReturnType<typeof laidOut>, path: string): string => {
  const entry = entries.get(path);
  return entry?.kind === 'file' ? Buffer.from(entry.data).toString() : expect.unreachable(`no file ${path}`);
};

describe('layoutInitramfs', () => {
  it('has the agent as /init and a console for it', () => {
    const entries = laidOut();
    expect(entries.get('init')).toEqual({ kind: 'file', path: 'init', mode: 0o755, data: Buffer.from('agent') });
    expect(entries.get('dev/console')).toEqual({ kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 });
  });

  it('has the directories that the agent mounts on', () => {
    expect([...laidOut().values()].filter((entry) => entry.kind === 'directory').map((entry) => entry.path))
      .toEqual(['dev', 'etc', 'etc/vivarium', 'lib', 'lib/vivarium', 'lib/vivarium/modules', 'newroot', 'proc', 'run', 'sys', 'tmp']);
  });

  it('lists modules one path a line in load order, parameters after a space', () => {
    const entries = laidOut();
    expect(text(entries, 'lib/vivarium/modules.boot')).toBe('/lib/vivarium/modules/virtio_ring.ko\n/lib/vivarium/modules/virtio.ko\n');
    expect(text(entries, 'lib/vivarium/modules.late')).toBe('/lib/vivarium/modules/fuse.ko x=1 y=2\n');
    expect(text(entries, 'lib/vivarium/modules/fuse.ko')).toBe('fuse');
  });

  it('says who the guest is', () => {
    expect(JSON.parse(text(laidOut(), 'etc/vivarium/guest.json'))).toEqual({ name: 'default', version: '0.1.0' });
  });

  it('puts extra files in but never in the place of /init', () => {
    const extra = [{ kind: 'file', path: 'init', mode: 0o755, data: Buffer.from('other') }, { kind: 'file', path: 'etc/x', mode: 0o600, data: Buffer.from('x') }] as const;
    const entries = laidOut({ extra });
    expect(text(entries, 'init')).toBe('agent');
    expect(text(entries, 'etc/x')).toBe('x');
  });

  it('starts a foreign init program behind the loader', () => {
    const entries = laidOut({ init: { kind: 'loaded', data: Buffer.from('kata'), busybox: Buffer.from('bb'), script: LOADER_SCRIPT } });
    expect(text(entries, 'init')).toContain('exec /usr/libexec/vivarium/init');
    expect(text(entries, 'usr/libexec/vivarium/init')).toBe('kata');
    expect(entries.get('bin/busybox')).toMatchObject({ mode: 0o755 });
  });
});
