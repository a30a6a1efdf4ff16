import { resolve } from 'node:path';
import { BuildError } from './build-error.ts';
import type { CommandRunner } from './command-runner.ts';

/** Part of the usage text of our agent. */
const ANSWERS = 'viv-agent --version';
const DEADLINE_MS = 5000;

/**
 * What `viv-agent --version` says. Only a binary that names this option is asked: another one, started on the host, might take
 * itself for process 1 of a guest and begin to mount.
 * @returns null when it can't be known, which is no reason not to build
 */
export async function agentVersion(path: string, binary: Buffer, runner: CommandRunner, signal: AbortSignal): Promise<string | null> {
  if (!binary.includes(ANSWERS)) return null;
  try {
    const { stdout } = await runner.run(resolve(path), ['--version'], { signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]) });
    return /^viv-agent (\d{1,5}\.\d{1,5}\.\d{1,5}\S{0,40})\s*$/.exec(stdout.toString('utf8'))?.[1] ?? null;
  } catch (error) {
    if (error instanceof BuildError && !signal.aborted) return null;
    throw error;
  }
}
