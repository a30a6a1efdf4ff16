import { durationFromMs, parseDurationMs } from '../args/duration.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { failedWith } from '../client/daemon-failure.ts';
import { required } from './create-container.ts';
import { Reconnection } from '../stream/reconnection.ts';
import { forEachOperand } from './for-each-operand.ts';

/** `viv stop`: the stop signal, and SIGKILL after the grace. */
export const stop: Action<{ readonly time?: string }> = async (context, operands, flags) => {
  const grace = flags.time === undefined ? undefined : durationFromMs(parseDurationMs(flags.time, '--time'));
  const { containers } = await context.connect('containers');
  return await forEachOperand(context, operands, async (containerId) => {
    await containers.stopContainer({ requestId: context.requestId(), containerId, ...(grace === undefined ? {} : { grace }) });
    return containerId;
  });
};

export const kill: Action<{ readonly signal: string; readonly all?: boolean }> = async (context, operands, flags) => {
  const { containers } = await context.connect('containers');
  return await forEachOperand(context, operands, async (containerId) => {
    await containers.killContainer({ requestId: context.requestId(), containerId, signal: flags.signal, all: flags.all === true });
    return containerId;
  });
};

/** `viv rm`: with -f also what runs, and what is gone already is no failure. */
export const remove: Action<{ readonly force?: boolean; readonly volumes?: boolean }> = async (context, operands, flags) => {
  const force = flags.force === true;
  const { containers } = await context.connect('containers');
  return await forEachOperand(context, operands, async (containerId) => {
    try {
      await containers.deleteContainer({ requestId: context.requestId(), containerId, force, removeVolumes: flags.volumes === true });
    } catch (error) {
      if (!force || !failedWith(error, 'CONTAINER_NOT_FOUND')) throw error;
    }
    return containerId;
  });
};

export const pause: Action<object> = async (context, operands) => {
  const { containers } = await context.connect('containers');
  return await forEachOperand(context, operands, async (containerId) => {
    await containers.pauseContainer({ requestId: context.requestId(), containerId });
    return containerId;
  });
};

export const unpause: Action<object> = async (context, operands) => {
  const { containers } = await context.connect('containers');
  return await forEachOperand(context, operands, async (containerId) => {
    await containers.resumeContainer({ requestId: context.requestId(), containerId });
    return containerId;
  });
};

/** `viv wait`: prints each container's exit code when it has ended; ends with 0 itself. */
export const wait: Action<object> = async (context, operands) => {
  const { containers } = await context.connect('containers');
  const reconnection = new Reconnection(context);
  const ends = await Promise.all(operands.map(async (containerId) => required((await reconnection.ask(() => containers.waitContainer({ containerId }))).exit, 'WaitContainer')));
  context.host.stdout.write(ends.map((end) => `${end.code}\n`).join(''));
  return ExitCode.ok;
};
