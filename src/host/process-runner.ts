import { constants } from 'node:os';
import { execa } from 'execa';
import { linkSignals, reasonOf, throwIfAborted } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { ProcessRunner, RunResult } from '../core/ports/host.ts';

/** Between SIGTERM and SIGKILL for a helper that ran out of time. */
const KILL_AFTER_MS = 1000;
/** How long the pipes of an ended helper are read on: a grandchild that keeps them open would keep us waiting for its own end. */
const DRAIN_MS = 250;
/** More output than this ends a helper: none that we run says so much. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

type RunOptions = Parameters<ProcessRunner['run']>[2];
type Helper = ReturnType<typeof start>;

/**
 * Runs helpers as children of this process: probes, hooks, the guest builder. What must outlive the daemon goes through the launcher
 * instead, and what a create or delete needs through the resident helper (docs/adr/0010).
 */
export class SystemProcessRunner implements ProcessRunner {
  async run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
    throwIfAborted(options.signal);
    const child = start(command, args, options);
    let early: Error | undefined;
    const end = (reason: Error): void => {
      if (early !== undefined) return;
      early = reason;
      child.kill('SIGTERM');
    };
    const deadline = setTimeout(() => { end(new DomainError('DEADLINE', `${command} did not end within ${options.timeoutMs} ms`, { remedy: 'look at the load of this host' })); }, options.timeoutMs);
    using linked = linkSignals(options.signal);
    linked.signal.addEventListener('abort', () => { end(reasonOf(linked.signal)); }, { once: true });
    using _drain = drainOnly(child);
    try {
      const result = await child;
      if (early !== undefined) throw early;
      if (result.isMaxBuffer) throw new DomainError('HOST_RESOURCE', `${command} wrote more than ${MAX_OUTPUT_BYTES} bytes`);
      return { code: codeOf(result, command), stdout: text(result.stdout), stderr: text(result.stderr) };
    } finally {
      clearTimeout(deadline);
    }
  }
}

function start(command: string, args: readonly string[], { input, env, cwd }: RunOptions) {
  return execa(command, args, {
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
    encoding: 'buffer',
    reject: false,
    maxBuffer: MAX_OUTPUT_BYTES,
    forceKillAfterDelay: KILL_AFTER_MS,
    stripFinalNewline: false,
  });
}

/** Stops reading the pipes of a helper a moment after it has ended. */
function drainOnly(child: Helper): Disposable {
  let drain: NodeJS.Timeout | undefined;
  child.once('exit', () => {
    drain = setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, DRAIN_MS);
  });
  return { [Symbol.dispose]: () => { clearTimeout(drain); } };
}

/** The exit code; 128 + signal for one that a signal ended. HOST_RESOURCE when there was nothing to start. */
function codeOf(result: Awaited<Helper>, command: string): number {
  if (result.exitCode !== undefined) return result.exitCode;
  if (result.signal !== undefined) return 128 + constants.signals[result.signal];
  throw new DomainError('HOST_RESOURCE', `cannot run ${command}: ${result.originalMessage ?? ''}`, { remedy: `install ${command} or correct its path`, facts: { command, errno: result.code ?? '' }, cause: result.cause });
}

function text(output: Uint8Array | undefined): string {
  return Buffer.from(output ?? new Uint8Array()).toString('utf8');
}
