import { ExitCode, interruptedBy } from '../exit-codes.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { Cause, causeToJSON } from '../../gen/vivarium/v1/common.ts';
import type { ExitStatus } from '../../gen/vivarium/v1/container.ts';
import { enumText } from '../format/enum-text.ts';
import { parseDetachKeys } from '../stream/detach-keys.ts';
import type { ProcessCall } from '../stream/process-call.ts';
import { ProcessSession } from '../stream/process-session.ts';
import { defaultReconnectPolicy } from '../stream/reconnect-policy.ts';
import type { SessionEnd, SessionResult } from '../stream/session-options.ts';

export interface SessionFlags {
  readonly detachKeys: string;
  readonly sigProxy: boolean;
}

/** Sits in front of a process until it ends or the user leaves it. The terminal is as before when this returns or throws. */
export async function runSession(context: CommandContext, call: ProcessCall, stdin: boolean, flags: SessionFlags, onStarted?: () => void): Promise<SessionResult> {
  using session = new ProcessSession(call, {
    host: context.host,
    interrupts: context.interrupts,
    signal: context.signal,
    ...(onStarted === undefined ? {} : { onStarted }),
    stdin,
    detachKeys: parseDetachKeys(flags.detachKeys),
    sigProxy: flags.sigProxy,
    reconnect: defaultReconnectPolicy,
  });
  return await session.run();
}

/** The code to end with; says on standard error what the process itself could not say. */
export function sessionExitCode(context: CommandContext, end: SessionEnd): number {
  switch (end.kind) {
    case 'detached':
      return ExitCode.ok;
    case 'left':
      context.host.stderr.write('viv: the process goes on; it did not end when it was asked to\n');
      return interruptedBy(end.signal);
    case 'exit': {
      const note = unusualEnd(end.exit);
      if (note !== '') context.host.stderr.write(`viv: ${note}\n`);
      return end.exit.code;
    }
  }
}

function unusualEnd(exit: ExitStatus): string {
  if (exit.oomKilled) return 'the process was killed: out of memory';
  const usual: readonly Cause[] = [Cause.CAUSE_UNSPECIFIED, Cause.CAUSE_CONTAINER_EXIT, Cause.CAUSE_OPERATOR_STOP];
  if (usual.includes(exit.cause)) return '';
  return [`the sandbox ended: ${enumText(causeToJSON(exit.cause), 'CAUSE_')}`, exit.detail].filter((part) => part !== '').join(': ');
}

/** @throws {CliError} when a terminal is asked for and standard input is none, before anything is made */
export function requireTerminal(context: CommandContext, flags: { tty?: boolean; interactive?: boolean }): void {
  if (flags.tty === true && flags.interactive === true && context.host.stdin.isTTY !== true) {
    throw new CliError('-t with -i needs a terminal, and standard input is none', { remedy: 'leave out -t' });
  }
}
