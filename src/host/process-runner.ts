import { constants } from 'node:os';
import { execa } from 'execa';
import { linkSignals, reasonOf, throwIfAborted } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { ProcessRunner, RunResult } from '../core/ports/host.ts';

/** Between SIGTERM and SIGKILL for a helper that ran out of time. */
const KILL_AFTER_MS = 1000;
/** How long the pipes of an ended helper are read on. */
const DRAIN_MS = 250;
/** More output than this ends a helper: none that we run says so much. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

type RunOptions = Parameters<ProcessRunner['run']>[2];

/** Runs helpers as children of this process. What must outlive the daemon goes through the launcher instead. */
export class SystemProcessRunner implements ProcessRunner {
  async run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
    throwIfAborted(options.signal);
    // A link of our own: execa would keep a listener on a long-lived signal for as long as the child lives.
    using linked = linkSignals(options.signal);
    const child = execa(command, args, {
      reject: false,
      stripFinalNewline: false,
      cleanup: true,
      timeout: options.timeoutMs,
      forceKillAfterDelay: KILL_AFTER_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      cancelSignal: linked.signal,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // A grandchild that keeps the pipes open would keep us waiting for its own end.
    child.once('exit', () => {
      const drain = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, DRAIN_MS);
      void child.finally(() => { clearTimeout(drain); });
    });
    const result = await child;
    if (result.isCanceled && options.signal?.aborted === true) throw reasonOf(options.signal);
    if (result.timedOut) {
      throw new DomainError('DEADLINE', `${command} did not end within ${options.timeoutMs} ms`, { remedy: 'look at the load of this host', cause: result.cause });
    }
    if (result.isMaxBuffer) {
      throw new DomainError('HOST_RESOURCE', `${command} wrote more than ${MAX_OUTPUT_BYTES} bytes`);
    }
    if (result.exitCode === undefined && result.signal === undefined) {
      throw new DomainError('HOST_RESOURCE', `cannot run ${command}: ${result.originalMessage ?? result.code ?? 'unknown'}`, {
        remedy: `install ${command} or correct its path`,
        facts: { command, errno: result.code ?? '' },
        cause: result.cause,
      });
    }
    return { code: result.exitCode ?? 128 + signalNumber(result.signal), stdout: result.stdout, stderr: result.stderr };
  }
}

/** The number of a signal by the name that Node gives it; 0 without one. */
function signalNumber(name: NodeJS.Signals | undefined): number {
  return name === undefined ? 0 : constants.signals[name];
}
