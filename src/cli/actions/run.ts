import { AttachStart } from '../../gen/vivarium/v1/container.ts';
import type { Clients } from '../client/clients.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { renderTimings, type CallTiming } from '../format/timings.ts';
import { attachCall, type ProcessCall } from '../stream/process-call.ts';
import type { SessionResult } from '../stream/session-options.ts';
import { createContainer, type CreatedContainer, type CreateFlags } from './create-container.ts';
import type { Removal } from './removal.ts';
import { requireTerminal, runSession, sessionExitCode, type SessionFlags } from './run-session.ts';

interface RunFlags extends CreateFlags, SessionFlags {
  readonly detach?: boolean;
  readonly timings?: boolean;
}

/** `viv run`: a sandbox (unless one is joined), a container in it, its streams, its exit code. */
export const run: Action<RunFlags> = async (context, operands, flags) => {
  if (flags.detach !== true) requireTerminal(context, flags);
  const clients = await context.connect('sandboxes', 'containers');
  const created = await createContainer(context, clients, operands, flags);
  return flags.detach === true ? await startAndLeave(context, clients, created, flags) : await startAndStay(context, clients, created, flags);
};

async function startAndLeave(context: CommandContext, clients: Clients<'containers'>, created: CreatedContainer, flags: RunFlags): Promise<number> {
  await using removal = created.removal;
  if (flags.rm !== true) removal.keep();
  const begun = performance.now();
  const reply = await clients.containers.startContainer({ requestId: context.requestId(), containerId: created.container.id });
  removal.keep();
  context.host.stdout.write(`${created.container.id}\n`);
  printTimings(context, flags, created, { call: 'start container', tookMs: performance.now() - begun, phases: reply.phases });
  return ExitCode.ok;
}

async function startAndStay(context: CommandContext, clients: Clients<'containers'>, created: CreatedContainer, flags: RunFlags): Promise<number> {
  await using removal = created.removal;
  const start = AttachStart.fromPartial({
    containerId: created.container.id,
    stdin: flags.interactive === true,
    replay: true,
    startContainer: true,
    requestId: context.requestId(),
  });
  const begun = performance.now();
  const { end, started } = await session(context, attachCall(clients.containers, start), start.stdin, flags, removal);
  if (end.kind !== 'exit') removal.keep();
  printTimings(context, flags, created, { call: 'start container, to its end', tookMs: performance.now() - begun, phases: started?.phases ?? [] });
  return sessionExitCode(context, end);
}

/** Without --rm everything is kept once the process runs, and what could not be started too; not what the user gave up before. */
async function session(context: CommandContext, call: ProcessCall, stdin: boolean, flags: RunFlags, removal: Removal): Promise<SessionResult> {
  const keep = (): void => { if (flags.rm !== true) removal.keep(); };
  try {
    return await runSession(context, call, stdin, flags, keep);
  } catch (error) {
    if (!context.signal.aborted) keep();
    throw error;
  }
}

function printTimings(context: CommandContext, flags: RunFlags, created: CreatedContainer, start: CallTiming): void {
  if (flags.timings === true) context.host.stderr.write(renderTimings([...created.timings, start], created.mode));
}
