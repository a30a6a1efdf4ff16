import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import type { CliHost } from '../../../src/cli/host.ts';
import { buildProgram } from '../../../src/cli/program.ts';

const nothing: Disposable = { [Symbol.dispose]: () => undefined };
const host: CliHost = {
  stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {},
  clock: { now: () => new Date(0), sleep: () => Promise.resolve() },
  newId: () => 'id', onSignal: () => nothing, onExit: () => nothing, passOutputThrough: () => undefined, endNow: () => undefined,
};
const program = (...argv: string[]): Command => buildProgram(argv, host, '1', () => Promise.resolve());
const namesOf = (command: Command): string[] => command.commands.flatMap((child) => [child.name(), ...child.aliases()]);

test('every command is found by its own name, alone', () => {
  const all = namesOf(program());
  expect(all).toEqual(expect.arrayContaining(['run', 'ps', 'sandbox', 'guest', 'image', 'profile', 'daemon', 'doctor', 'version', 'events']));
  for (const name of all) expect(namesOf(program('--host', 'run', '--request-id', 'exec', '--debug', name, 'ps'))).toContain(name);
});

test('help and unknown words see every command', () => {
  for (const argv of [['help'], ['--help'], ['frob'], []]) expect(namesOf(program(...argv)).length).toBeGreaterThan(20);
});

test('every command and every flag says what it is', () => {
  const undescribed = (command: Command): string[] => [
    ...(command.description() === '' ? [command.name()] : []),
    ...command.options.filter((option) => option.description === '').map((option) => `${command.name()} ${option.flags}`),
    ...command.commands.flatMap(undescribed),
  ];
  expect(undescribed(program())).toEqual([]);
});
