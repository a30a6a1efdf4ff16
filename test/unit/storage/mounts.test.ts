import { describe, expect, it } from 'vitest';
import { mountAt, parseMountTable, unescapeOctal, unmountOrder } from '../../../src/storage/mount-table.ts';
import { escapeOverlayPath, overlayOptions } from '../../../src/storage/overlay-mount.ts';
import { Mounter } from '../../../src/storage/mounter.ts';
import { flavourOf, hardOpenFiles, virtiofsdArgv } from '../../../src/storage/virtiofsd-argv.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { ScriptedHelper } from '../../fakes/scripted-helper.ts';

const TABLE = [
  '22 27 0:21 / /proc rw,relatime - proc proc rw',
  '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
  '42 27 254:0 /s /run/s rw,relatime shared:1 - ext4 /dev/vda rw',
  '46 42 0:39 / /run/s/a\\040b/rootfs rw,relatime shared:2 - overlay overlay rw,lowerdir=/l\\134\\054x',
  '47 46 0:40 / /run/s/a\\040b/rootfs ro master:3 propagate_from:2 - tmpfs none rw',
  '48 27 254:0 /s /run/s-other rw - ext4 /dev/vda rw',
].join('\n');

describe('the mount table', () => {
  it('is read with escapes and optional fields', () => {
    const entries = parseMountTable(TABLE);
    expect(entries).toHaveLength(6);
    expect(entries[3]).toEqual({ id: 46, parentId: 42, mountPoint: '/run/s/a b/rootfs', readOnly: false, shared: true, fsType: 'overlay', source: 'overlay', superOptions: 'rw,lowerdir=/l\\,x' });
    expect(entries[4]).toMatchObject({ readOnly: true, shared: false, fsType: 'tmpfs' });
  });

  it('passes over lines that are none', () => {
    expect(parseMountTable('\nnonsense\n1 2 3\n')).toEqual([]);
  });

  it('unescapes bytes, also of UTF-8', () => {
    expect(unescapeOctal('/a\\303\\274\\011b')).toBe('/aü\tb');
  });

  it('is unmounted from the top, and never beside the directory', () => {
    expect(unmountOrder(parseMountTable(TABLE), '/run/s').map((entry) => entry.id)).toEqual([47, 46, 42]);
  });

  it('knows the topmost mount of a path', () => {
    expect(mountAt(parseMountTable(TABLE), '/run/s/a b/rootfs')?.id).toBe(47);
    expect(mountAt(parseMountTable(TABLE), '/run')).toBeUndefined();
  });
});

describe('unmounting', () => {
  const one = '27 1 254:0 / / rw - ext4 /dev/vda rw\n46 27 0:39 / /run/s/c/rootfs rw - overlay overlay rw\n47 46 0:40 / /run/s/c/rootfs rw - tmpfs none rw\n';
  const busy = { errno: 'EBUSY', path: '/run/s/c/rootfs', message: 'Device or resource busy' };

  function mounter(tables: string[], calls: ScriptedHelper, clock = new ManualClock()): Mounter {
    return new Mounter({ calls, clock, readMountInfo: async () => tables.shift() ?? '', busyDeadlineMs: 100 });
  }

  it('tries a busy mount again until it is let go', async () => {
    const [calls, clock] = [new ScriptedHelper(busy, busy), new ManualClock()];
    const work = mounter([one, ''], calls, clock).unmountAll('/run/s');
    await clock.advance(50);
    await work;
    expect(calls.unmounted).toEqual(Array.from({ length: 3 }, () => ['/run/s/c/rootfs', '/run/s/c/rootfs']));
  });

  it('gives up at the deadline and names what is busy', async () => {
    const [calls, clock] = [new ScriptedHelper(...Array.from({ length: 40 }, () => busy)), new ManualClock()];
    const work = expect(mounter([one], calls, clock).unmountAll('/run/s')).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', details: { facts: { mount: '/run/s/c/rootfs', busy: 'true' } } });
    await clock.advance(1_000);
    await work;
  });

  it('what another failure keeps is told with it', async () => {
    const calls = new ScriptedHelper({ errno: 'EPERM', path: '/run/s/c/rootfs', message: 'Operation not permitted' });
    await expect(mounter([one], calls).unmountAll('/run/s')).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: 'umount /run/s/c/rootfs: Operation not permitted (EPERM)' });
  });

  it('ends when the kernel calls a mount none and still lists it', async () => {
    const calls = new ScriptedHelper();
    await expect(mounter([one, one], calls).unmountAll('/run/s')).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: '/run/s/c/rootfs cannot be unmounted' });
    expect(calls.unmounted).toHaveLength(1);
  });

  it('a full disk is told apart from other failures', async () => {
    const subject = mounter([], new ScriptedHelper({ errno: 'ENOSPC', path: '/x', message: 'No space left on device' }, { errno: 'ENODEV', path: '/x', message: 'No such device' }));
    await expect(subject.mount([{ target: '/x' }])).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    await expect(subject.mount([{ target: '/x' }])).rejects.toMatchObject({ reason: 'ROOTFS_FAILED' });
  });
});

describe('command lines', () => {
  it('overlay paths are escaped', () => {
    expect(escapeOverlayPath('/a,b:c\\d')).toBe('/a\\,b\\:c\\\\d');
    expect(overlayOptions(['/l,1', '/m'], '/u', '/w')).toBe('lowerdir=/l\\,1:/m,upperdir=/u,workdir=/w,index=off,metacopy=off,volatile');
  });

  const call = { path: '/usr/lib/qemu/virtiofsd', source: '/run/s/export', cache: 'none', openFiles: 20_000 } as const;

  it("virtiofsd in C gets QEMU's options and never a raised limit", () => {
    expect(virtiofsdArgv(call, 'c')).toEqual(['/usr/lib/qemu/virtiofsd', '--fd={fd:fs}', '-o', 'source=/run/s/export,cache=none,sandbox=namespace,xattr,announce_submounts,log_level=warn', '--thread-pool-size=4', '--rlimit-nofile=20000']);
  });

  it('virtiofsd in Rust gets its own', () => {
    expect(virtiofsdArgv({ ...call, openFiles: 5_000_000 }, 'rust')).toEqual(['/usr/lib/qemu/virtiofsd', '--fd={fd:fs}', '--shared-dir=/run/s/export', '--cache=never', '--sandbox=namespace', '--xattr', '--announce-submounts', '--thread-pool-size=4', '--rlimit-nofile=1000000']);
  });

  it('the two are told apart by their help', () => {
    expect([flavourOf('    -o source=PATH             shared directory tree'), flavourOf('--shared-dir <SHARED_DIR>')]).toEqual(['c', 'rust']);
  });

  it('reads the hard limit of open files', () => {
    expect([hardOpenFiles('Max open files            1024                 20000                files'), hardOpenFiles('Max open files            1024                 unlimited            files'), hardOpenFiles('')]).toEqual([20_000, 1_000_000, undefined]);
  });
});
