import { describe, expect, it } from 'vitest';
import { imageTree } from '../../../guest/builder/busybox-image.ts';

describe('imageTree', () => {
  const entries = new Map(imageTree(Buffer.from('bb'), ['bin/sh', 'usr/bin/env', 'bin/busybox']).map((entry) => [entry.path, entry]));

  it('links each applet to the one binary by a relative path', () => {
    expect(entries.get('bin/sh')).toEqual({ kind: 'symlink', path: 'bin/sh', target: 'busybox' });
    expect(entries.get('usr/bin/env')).toEqual({ kind: 'symlink', path: 'usr/bin/env', target: '../../bin/busybox' });
    expect(entries.get('bin/busybox')).toMatchObject({ kind: 'file', mode: 0o755 });
  });

  it('has the directories that containers expect', () => {
    expect(entries.get('tmp')).toEqual({ kind: 'directory', path: 'tmp', mode: 0o1777 });
    expect(entries.get('root')).toEqual({ kind: 'directory', path: 'root', mode: 0o700 });
  });
});
