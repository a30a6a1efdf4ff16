import { describe, expect, it } from 'vitest';
import { FileTree, normalPath } from '../../../guest/builder/file-tree.ts';

const file = (path: string, text = '') => ({ kind: 'file', path, mode: 0o644, data: Buffer.from(text) }) as const;

describe('FileTree', () => {
  it('makes parents and lists them before what they hold, in byte order', () => {
    const tree = new FileTree();
    tree.add(file('b/c/d'));
    tree.add(file('a-x'));
    tree.add(file('a/y'));
    expect(tree.entries().map((entry) => entry.path)).toEqual(['a', 'a-x', 'a/y', 'b', 'b/c', 'b/c/d']);
  });

  it('gives the same list whatever the order of adding was', () => {
    const [one, two] = [new FileTree(), new FileTree()];
    for (const path of ['x/a', 'y', 'x/b']) one.add(file(path));
    for (const path of ['x/b', 'x/a', 'y']) two.add(file(path));
    expect(one.entries()).toEqual(two.entries());
  });

  it('lets the later of two files win', () => {
    const tree = new FileTree();
    tree.add(file('a', 'old'));
    tree.add(file('/a', 'new'));
    expect(tree.entries()).toEqual([file('a', 'new')]);
  });

  it('keeps the mode of a directory that was asked for', () => {
    const tree = new FileTree();
    tree.add({ kind: 'directory', path: 'tmp', mode: 0o1777 });
    tree.add(file('tmp/x'));
    expect(tree.entries()[0]).toEqual({ kind: 'directory', path: 'tmp', mode: 0o1777 });
  });

  it('refuses a file where a directory is, and the other way round', () => {
    const tree = new FileTree();
    tree.add(file('a/b'));
    expect(() => { tree.add(file('a')); }).toThrow(/directory/);
    expect(() => { tree.add(file('a/b/c')); }).toThrow(/no directory/);
  });
});

describe('normalPath', () => {
  it('drops leading, doubled and trailing slashes', () => {
    expect(normalPath('//usr/./bin//x/')).toBe('usr/bin/x');
  });

  it.each(['', '/', '../x', 'a/../../b', 'a\0b'])('refuses %j', (path) => {
    expect(() => normalPath(path)).toThrow(/not a path inside the guest/);
  });
});
