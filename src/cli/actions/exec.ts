import { ExecStart } from '../../gen/vivarium/v1/container.ts';
import { commandAfter } from '../args/command-line.ts';
import { parseEnv } from '../args/key-values.ts';
import { CliError, UsageError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { execCall, type ProcessCall } from '../stream/process-call.ts';
import { terminalSize } from '../stream/terminal.ts';
import { requireTerminal, runSession, sessionExitCode, type SessionFlags } from './run-session.ts';

interface ExecFlags extends SessionFlags {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly privileged?: boolean;
}

/** `viv exec`: a further process in a running container, with its streams and its exit code. */
export const exec: Action<ExecFlags> = async (context, operands, flags) => {
  const [containerId = '', ...rest] = operands;
  const command = commandAfter(rest);
  if (command.length === 0) throw new UsageError('a command is missing', 'viv exec CONTAINER COMMAND [ARG…]');
  if (flags.detach !== true) requireTerminal(context, flags);
  const size = flags.tty === true ? terminalSize(context.host) : undefined;
  const start = ExecStart.fromPartial({
    requestId: context.requestId(),
    containerId,
    command,
    env: parseEnv(flags.env, context.host.env),
    workingDir: flags.workdir ?? '',
    user: flags.user ?? '',
    tty: flags.tty === true,
    stdin: flags.interactive === true && flags.detach !== true,
    privileged: flags.privileged === true,
    ...(size === undefined ? {} : { ttySize: size }),
  });
  const call = execCall((await context.connect('containers')).containers, start);
  if (flags.detach === true) return await startAndLeave(context, call);
  return sessionExitCode(context, (await runSession(context, call, start.stdin, flags)).end);
};

/** Stays until the process has started, prints the exec's id, and leaves it. */
async function startAndLeave(context: CommandContext, call: ProcessCall): Promise<number> {
  const left = new AbortController();
  const signal = AbortSignal.any([context.signal, left.signal]);
  for await (const message of call.open(undefined, nothing(), signal)) {
    if (message?.$case !== 'started') continue;
    context.host.stdout.write(`${message.value.execId}\n`);
    return ExitCode.ok;
  }
  throw new CliError('the daemon ended the stream before the process started', { exitCode: ExitCode.daemonFailed });
}

async function* nothing(): AsyncGenerator<never> {
  // The process gets no input: the stream carries only its opening.
}
