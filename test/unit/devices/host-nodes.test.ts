import { describe, expect, it } from 'vitest';
import type { BlockHost, PathFacts } from '../../../src/devices/block-host.ts';
import { NodesOfHost } from '../../../src/devices/host-nodes.ts';

const KINDS: Readonly<Record<string, PathFacts['kind']>> = { '/dev/sdb': 'block', '/dev/null': 'character' };

const nodes = new NodesOfHost({
  facts: async (path: string): Promise<PathFacts> => {
    const kind = KINDS[path];
    if (kind === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return await Promise.resolve({ kind, device: 0, inode: 0, number: '8:16', sizeBytes: 0 });
  },
} as unknown as BlockHost);

describe('a path in /dev', () => {
  it('is the disk of the host when the host has one, else the guest\'s own', async () => {
    expect(await nodes.resolve('/dev/sdb')).toMatchObject({ kind: 'block', path: '/dev/sdb', readOnly: false });
    expect(await nodes.resolve('/dev/null')).toBeUndefined();
    expect(await nodes.resolve('/dev/fuse')).toBeUndefined();
  });

  it('of a VFIO group is the group', async () => {
    expect(await nodes.resolve('/dev/vfio/16')).toEqual({ kind: 'vfio', device: '/dev/vfio/16', mode: 'guest-kernel' });
  });
});
