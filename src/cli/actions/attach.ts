import { AttachStart, type Container } from '../../gen/vivarium/v1/container.ts';
import type { Clients } from '../client/clients.ts';
import { UsageError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { attachCall } from '../stream/process-call.ts';
import { required } from './create-container.ts';
import { forEachOperand } from './for-each-operand.ts';
import { runSession, sessionExitCode, type SessionFlags } from './run-session.ts';

interface AttachFlags extends SessionFlags {
  /** `--no-stdin` makes it false. */
  readonly stdin: boolean;
  readonly replay?: boolean;
}

/** `viv attach`: joins the streams of a running container until it ends. */
export const attach: Action<AttachFlags> = async (context, operands, flags) => {
  const clients = await context.connect('containers');
  const container = await find(clients, operands[0] ?? '');
  const start = AttachStart.fromPartial({
    containerId: container.id,
    stdin: flags.stdin && container.spec?.stdin === true,
    replay: flags.replay === true,
  });
  return sessionExitCode(context, (await runSession(context, attachCall(clients.containers, start), start.stdin, flags)).end);
};

interface StartFlags extends SessionFlags {
  readonly attach?: boolean;
  readonly interactive?: boolean;
}

/** `viv start`: starts containers; with -a it stays with the one it started. */
export const start: Action<StartFlags> = async (context, operands, flags) => {
  const clients = await context.connect('containers');
  if (flags.attach !== true && flags.interactive !== true) {
    return await forEachOperand(context, operands, async (containerId) => {
      await clients.containers.startContainer({ requestId: context.requestId(), containerId });
      return containerId;
    });
  }
  if (operands.length > 1) throw new UsageError('-a and -i take one container');
  return await startAttached(context, clients, operands[0] ?? '', flags);
};

async function startAttached(context: CommandContext, clients: Clients<'containers'>, id: string, flags: StartFlags): Promise<number> {
  const container = await find(clients, id);
  const opening = AttachStart.fromPartial({
    containerId: container.id,
    stdin: flags.interactive === true && container.spec?.stdin === true,
    replay: true,
    startContainer: true,
    requestId: context.requestId(),
  });
  return sessionExitCode(context, (await runSession(context, attachCall(clients.containers, opening), opening.stdin, flags)).end);
}

async function find(clients: Clients<'containers'>, containerId: string): Promise<Container> {
  return required((await clients.containers.getContainer({ containerId })).container, 'GetContainer');
}
