import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { expectedAt } from '../../../src/cli/completion/placeholders.ts';
import { completionScripts } from '../../../src/cli/completion/scripts.ts';
import { suggest, type Suggestion } from '../../../src/cli/completion/suggest.ts';
import type { CliHost } from '../../../src/cli/host.ts';
import { buildProgram } from '../../../src/cli/program.ts';

const nothing: Disposable = { [Symbol.dispose]: () => undefined };
const host: CliHost = {
  stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {},
  clock: { now: () => new Date(0), sleep: () => Promise.resolve() },
  newId: () => 'id', onSignal: () => nothing, onExit: () => nothing, passOutputThrough: () => undefined, endNow: () => undefined,
};
const program = buildProgram(['__complete'], host, '1', () => Promise.resolve());
const after = (...words: string[]): Suggestion => suggest(program, words);
const words = (...typed: string[]): string[] => after(...typed).candidates.map(({ word }) => word);

describe('what may follow', () => {
  it('is a command that begins so, with what it does; none that is hidden', () => {
    expect(words('')).toEqual(expect.arrayContaining(['run', 'top', 'completion', 'sandbox', 'help']));
    expect(words('')).not.toContain('__complete');
    expect(after('ev').candidates).toEqual([{ word: 'events', about: expect.stringContaining('happens') as string }]);
    expect(words('sandbox', 'p')).toEqual(['pause']);
    expect(words('sb', 'pau')).toEqual(['pause']);
    expect(words('help', 'vers')).toEqual(['version']);
  });

  it.each([
    [['exec', ''], ['container']],
    [['stop', 'one', ''], ['container']],
    [['sandbox', 'rm', '-f', ''], ['sandbox']],
    [['inspect', ''], ['container', 'sandbox']],
    [['run', '--rm', ''], ['image']],
    [['run', '--sandbox', ''], ['sandbox']],
    [['run', '--profile=d'], ['profile']],
    [['guest', 'build', ''], ['guest']],
    [['attach', 'one', ''], []],
    [['ps', ''], []],
  ])('after %j: names of %j', (typed, names) => {
    expect(after(...typed).expected.names).toEqual(names);
  });

  it('is a flag of the command', () => {
    expect(words('run', '--cpu')).toEqual(['--cpus', '--cpu-shares', '--cpuset-cpus']);
    expect(words('--ho')).toEqual(['--host']);
    expect(words('run', '-', '')).not.toContain('--cpus');
  });

  it('is a value that the flag takes, also behind its =', () => {
    expect(words('ps', '-o', '')).toEqual(['table', 'wide', 'json']);
    expect(words('ps', '--output=j')).toEqual(['--output=json']);
    expect(words('kill', '-s', 'SIGT')).toEqual(['SIGTERM']);
    expect(words('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(after('run', '--profile=d')).toMatchObject({ typed: 'd', prefix: '--profile=' });
  });

  it('is a path where a path is meant, and in the command line of a container, where flags are not ours', () => {
    expect(after('run', '--rootfs', '').expected.paths).toBe('directories');
    expect(after('run', '--cidfile', '').expected.paths).toBe('files');
    for (const typed of [['exec', 'one', ''], ['exec', 'one', 'ls', '-'], ['run', 'busybox', '--', '-']]) expect(after(...typed)).toMatchObject({ candidates: [], expected: { paths: 'files' } });
  });

  it('is asked of the daemon that the line is for', () => {
    expect(after('--host', 'unix:/a', 'exec', '').host).toBe('unix:/a');
    expect(after('-H', 'unix:/a', '--debug', 'exec', '').host).toBe('unix:/a');
    expect(after('--host=unix:/b', 'exec', '').host).toBe('unix:/b');
    expect(after('exec', '').host).toBeUndefined();
  });
});

it('knows what a placeholder stands for by its name', () => {
  expect(expectedAt('container|sandbox').names).toEqual(['container', 'sandbox']);
  expect(expectedAt('text|json').words).toEqual(['text', 'json']);
  expect(expectedAt('duration')).toEqual({ words: [], names: [], paths: 'none' });
});

it('has a script for each of three shells', () => {
  expect(Object.keys(completionScripts)).toEqual(['bash', 'zsh', 'fish']);
});
