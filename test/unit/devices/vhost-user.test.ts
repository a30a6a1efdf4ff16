import { describe, expect, it } from 'vitest';
import type { PathFacts } from '../../../src/devices/block-host.ts';
import { VhostUserDriver } from '../../../src/devices/vhost-user.ts';

function driver(kind: PathFacts['kind'] | undefined): VhostUserDriver {
  return new VhostUserDriver({
    realPath: async (path) => await Promise.resolve(path.replace('/link', '/real')),
    facts: async () => {
      if (kind === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return await Promise.resolve({ kind, device: 1, inode: 7, number: '0:0', sizeBytes: 0 });
    },
  });
}

const spec = { id: 'v', what: { kind: 'vhost-user-blk', socket: '/run/link.sock' } } as const;

describe('a disk behind a socket', () => {
  it('is one thing by whatever name', async () => {
    expect(await driver('socket').prepare(spec)).toEqual({ kind: 'socket', path: '/run/real.sock', identity: 'socket:1:7' });
  });

  it.each([
    [undefined, 'is not there: start the back end first'],
    ['file', 'is a file, and no socket'],
  ] as const)('that is %s is refused', async (kind, words) => {
    await expect(driver(kind).prepare(spec)).rejects.toMatchObject({ reason: 'INVALID_REQUEST', message: expect.stringContaining(words) as string });
  });
});
