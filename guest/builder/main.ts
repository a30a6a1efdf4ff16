import { resolve } from 'node:path';
import { BuildError } from './build-error.ts';
import { GuestBuilder } from './build-guest.ts';
import { BusyboxImageBuilder } from './busybox-image.ts';
import { ChildCommandRunner } from './command-runner.ts';
import { listGuests } from './list-guests.ts';
import { parseCommand, USAGE } from './options.ts';
import type { Command } from './options.ts';
import { createProgress } from './progress.ts';
import type { Progress, ProgressMode } from './progress.ts';

/** Exit codes: 0 done or up to date, 1 failed, 2 wrong usage, 130 cancelled. */
async function main(): Promise<number> {
  const cancel = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => { cancel.abort(); });
  let json = process.argv.includes('json');
  try {
    const command = parseCommand(process.argv.slice(2), process.env);
    json = 'progress' in command && command.progress === 'json';
    await run(command, cancel.signal);
    return 0;
  } catch (error) {
    if (cancel.signal.aborted) return fail(new BuildError('cancelled', 'cancelled', { cause: error }), json, 130);
    if (!(error instanceof BuildError)) throw error;
    return fail(error, json, error.code === 'usage' ? 2 : 1);
  }
}

async function run(command: Command, signal: AbortSignal): Promise<void> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(USAGE);
      return;
    case 'ls':
      process.stdout.write(`${JSON.stringify(await listGuests(resolve(command.out)))}\n`);
      return;
    case 'build': {
      const { runner, progress } = tools(command.progress);
      const result = await new GuestBuilder({ runner, progress, signal }).build({ ...command.options, out: resolve(command.options.out) });
      finish(progress, command.progress, { kind: 'guest', name: command.options.name, digest: result.manifest.digest, directory: result.directory, changed: result.changed });
      return;
    }
    case 'busybox': {
      const { runner, progress } = tools(command.progress);
      const result = await new BusyboxImageBuilder({ runner, progress, signal }).build(resolve(command.out), resolve(command.images));
      finish(progress, command.progress, { kind: 'image', name: 'busybox', ...result });
    }
  }
}

function tools(mode: ProgressMode): { runner: ChildCommandRunner; progress: Progress } {
  const progress = createProgress(mode, {
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
    columns: process.stdout.isTTY ? process.stdout.columns : 80,
  });
  return { runner: new ChildCommandRunner(process.env), progress };
}

interface Outcome {
  readonly kind: 'guest' | 'image';
  readonly name: string;
  readonly digest: string;
  readonly directory: string;
  readonly changed: boolean;
}

function finish(progress: Progress, mode: ProgressMode, outcome: Outcome): void {
  progress.close();
  if (mode === 'json') process.stdout.write(`${JSON.stringify({ step: 'done', ...outcome })}\n`);
  else if (mode !== 'none') {
    process.stdout.write(`${outcome.kind} ${outcome.name} ${outcome.changed ? 'built' : 'up to date'}: ${outcome.digest.slice(0, 19)} in ${outcome.directory}\n`);
  }
}

function fail(error: BuildError, json: boolean, code: number): number {
  if (json) process.stdout.write(`${JSON.stringify({ error: { code: error.code, message: error.message, remedy: error.remedy } })}\n`);
  else process.stderr.write(`guest-build: ${error.message}${error.remedy === undefined ? '' : ` (${error.remedy})`}\n`);
  return code;
}

process.exitCode = await main();
