import { describe, expect, it } from 'vitest';
import { chooseRootfs, type RootfsFacts } from '../../../../src/core/machine/rootfs-choice.ts';

const SHARED: RootfsFacts = { asked: 'auto', source: 'image', binds: 0, share: true, controller: false };

describe('how a root file system reaches its guest', () => {
  it.each<[string, Partial<RootfsFacts>, string, string]>([
    ['an image in a sandbox that shares files', {}, 'virtiofs', 'auto: virtiofs, its VM has no controller for disks'],
    ['an image where both would do', { controller: true }, 'virtiofs', 'auto: virtiofs, its sandbox shares files already'],
    ['an image with a host path', { binds: 1, controller: true }, 'virtiofs', 'auto: virtiofs, a host path is bound'],
    ['a directory', { source: 'path', controller: true }, 'virtiofs', 'auto: virtiofs, a directory of the host is its root'],
    ['a bundle', { source: 'bundle' }, 'virtiofs', 'auto: virtiofs, a directory of the host is its root'],
    ['an image where nothing is shared', { share: false, controller: true }, 'block', 'auto: block, its sandbox shares no files'],
    ['an image where nothing would do', { share: false }, 'none', 'auto: its sandbox shares no files and has no controller for disks'],
    ['what was asked for: block', { asked: 'block', controller: true, binds: 1 }, 'block', 'asked for'],
    ['what was asked for: virtiofs', { asked: 'virtiofs', controller: true }, 'virtiofs', 'asked for'],
  ])('is chosen for %s', (_, change, kind, reason) => {
    expect(chooseRootfs({ ...SHARED, ...change })).toEqual({ kind, reason });
  });

  it.each<[string, Partial<RootfsFacts>, string]>([
    ['block without a controller', { asked: 'block' }, 'no controller'],
    ['block of a directory', { asked: 'block', source: 'path', controller: true }, 'not made into a disk'],
    ['virtiofs where nothing is shared', { asked: 'virtiofs', share: false }, 'shares no files'],
    ['9p', { asked: '9p' }, 'no 9p'],
    ['none', { asked: 'none' }, 'not pushed'],
  ])('is refused: %s', (_, change, words) => {
    expect(() => chooseRootfs({ ...SHARED, ...change })).toThrow(expect.objectContaining({ reason: 'UNSUPPORTED', message: expect.stringContaining(words) as string }));
  });
});
