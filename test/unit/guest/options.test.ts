import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../../guest/builder/options.ts';

const build = (...argv: string[]) => {
  const command = parseCommand(['build', ...argv], {});
  return command.kind === 'build' ? command.options : expect.unreachable('not a build');
};

describe('parseCommand', () => {
  it('builds the default guest from Debian\'s cloud kernel', () => {
    expect(build()).toMatchObject({ name: 'default', out: './build/guest', kernel: 'linux-image-cloud-amd64', modules: [], init: undefined });
  });

  it('takes the directory from the environment unless an option names one', () => {
    expect(parseCommand(['ls'], { VIVARIUM_GUEST_DIR: '/g' })).toEqual({ kind: 'ls', out: '/g' });
    expect(parseCommand(['ls', '--out', '/o'], { VIVARIUM_GUEST_DIR: '/g' })).toEqual({ kind: 'ls', out: '/o' });
  });

  it('collects what is repeated, in order', () => {
    expect(build('mine', '--module', 'igb', '--module', 'ixgbe a=1', '--file', '/s:/d:0600', '--file', 's:d', '--package', 'libc6', '--kernel-param', 'agent.log=debug')).toMatchObject({
      name: 'mine',
      modules: [{ name: 'igb', parameters: '' }, { name: 'ixgbe', parameters: 'a=1' }],
      files: [{ source: '/s', target: '/d', mode: 0o600 }, { source: 's', target: 'd', mode: undefined }],
      packages: ['libc6'],
      kernelParameters: ['agent.log=debug'],
    });
  });

  it('puts a loader before a foreign init program unless told not to', () => {
    expect(build('--init', '/x').init).toEqual({ path: '/x', loader: true });
    expect(build('--init', '/x', '--no-loader').init).toEqual({ path: '/x', loader: false });
  });

  it('shows help without a command', () => {
    expect(parseCommand([], {})).toEqual({ kind: 'help' });
  });

  it.each([
    ['a name with a slash', ['build', 'a/b']],
    ['a name that begins with a dot', ['build', '.cache']],
    ['a package that looks like an option', ['build', '--package', '--root']],
    ['a package with a version', ['build', '--package', 'a=1']],
    ['a file without a target', ['build', '--file', '/x']],
    ['a mode that is not octal', ['build', '--file', 'a:b:9']],
    ['two kernel parameters in one', ['build', '--kernel-param', 'a b']],
    ['an unknown option', ['build', '--nope']],
    ['an unknown command', ['make']],
    ['too many names', ['build', 'a', 'b']],
    ['a loader that is not there to be left out', ['build', '--no-loader']],
    ['an unknown progress mode', ['build', '--progress', 'loud']],
  ])('refuses %s', (_what, argv) => {
    expect(() => parseCommand(argv, {})).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
