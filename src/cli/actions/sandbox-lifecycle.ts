import { CreateSandboxResponse, SandboxState, sandboxStateToJSON } from '../../gen/vivarium/v1/sandbox.ts';
import { causeToJSON } from '../../gen/vivarium/v1/common.ts';
import { durationFromMs, parseDurationMs } from '../args/duration.ts';
import { parseKeyValues } from '../args/key-values.ts';
import { failedWith } from '../client/daemon-failure.ts';
import { UsageError } from '../cli-error.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { prettyJson } from '../format/json.ts';
import { withSlowNotice } from '../format/slow-notice.ts';
import { renderTimings } from '../format/timings.ts';
import type { SandboxFlags } from '../requests/container-flags.ts';
import { Reconnection } from '../stream/reconnection.ts';
import { sandboxSpec } from '../requests/sandbox-spec.ts';
import { required } from './create-container.ts';
import { forEachOperand } from './for-each-operand.ts';

interface CreateFlags extends SandboxFlags {
  readonly name?: string;
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly timings?: boolean;
  readonly output?: string;
}

/** `viv sandbox create`: boots a VM and prints the sandbox's id. */
export const createSandbox: Action<CreateFlags> = async (context, _operands, flags) => {
  const spec = sandboxSpec(flags, { label: flags.label, annotation: flags.annotation, autoRemove: false, ...(flags.name === undefined ? {} : { name: flags.name }) });
  if (flags.output !== undefined && flags.output !== 'json') throw new UsageError(`--output: there is no "${flags.output}"`, 'known is json');
  const { sandboxes } = await context.connect('sandboxes');
  const begun = performance.now();
  const reply = await withSlowNotice(context.host, 'creating sandbox…', () => sandboxes.createSandbox({ requestId: context.requestId(), spec }));
  const sandbox = required(reply.sandbox, 'CreateSandbox');
  context.host.stdout.write(flags.output === 'json' ? prettyJson(CreateSandboxResponse.toJSON(reply)) : `${sandbox.id}\n`);
  if (flags.timings === true) context.host.stderr.write(renderTimings([{ call: 'create sandbox', tookMs: performance.now() - begun, phases: reply.phases }], reply.mode));
  return ExitCode.ok;
};

export const startSandbox: Action<object> = async (context, operands) => {
  const { sandboxes } = await context.connect('sandboxes');
  return await forEachOperand(context, operands, async (sandboxId) => {
    await withSlowNotice(context.host, 'starting sandbox…', () => sandboxes.startSandbox({ requestId: context.requestId(), sandboxId }));
    return sandboxId;
  });
};

export const stopSandbox: Action<{ readonly force?: boolean; readonly time?: string }> = async (context, operands, flags) => {
  const grace = flags.time === undefined ? undefined : durationFromMs(parseDurationMs(flags.time, '--time'));
  const { sandboxes } = await context.connect('sandboxes');
  return await forEachOperand(context, operands, async (sandboxId) => {
    await sandboxes.stopSandbox({ requestId: context.requestId(), sandboxId, force: flags.force === true, ...(grace === undefined ? {} : { grace }) });
    return sandboxId;
  });
};

/** `viv sandbox rm`: with -f also what runs, and what is gone already is no failure. */
export const removeSandbox: Action<{ readonly force?: boolean; readonly volumes?: boolean }> = async (context, operands, flags) => {
  const force = flags.force === true;
  const { sandboxes } = await context.connect('sandboxes');
  return await forEachOperand(context, operands, async (sandboxId) => {
    try {
      await sandboxes.deleteSandbox({ requestId: context.requestId(), sandboxId, force, removeVolumes: flags.volumes === true });
    } catch (error) {
      if (!force || !failedWith(error, 'SANDBOX_NOT_FOUND')) throw error;
    }
    return sandboxId;
  });
};

export const pauseSandbox: Action<object> = async (context, operands) => {
  const { sandboxes } = await context.connect('sandboxes');
  return await forEachOperand(context, operands, async (sandboxId) => {
    await sandboxes.pauseSandbox({ requestId: context.requestId(), sandboxId });
    return sandboxId;
  });
};

export const resumeSandbox: Action<object> = async (context, operands) => {
  const { sandboxes } = await context.connect('sandboxes');
  return await forEachOperand(context, operands, async (sandboxId) => {
    await sandboxes.resumeSandbox({ requestId: context.requestId(), sandboxId });
    return sandboxId;
  });
};

/** `viv sandbox wait`: prints how each one ended: its state, and the cause when there is one. */
export const waitSandbox: Action<object> = async (context, operands) => {
  const { sandboxes } = await context.connect('sandboxes');
  const reconnection = new Reconnection(context);
  const ends = await Promise.all(operands.map((sandboxId) => reconnection.ask(() => sandboxes.waitSandbox({ sandboxId }))));
  for (const end of ends) {
    // A deleted sandbox has no state any more.
    const state = end.state === SandboxState.SANDBOX_STATE_UNSPECIFIED ? 'deleted' : enumText(sandboxStateToJSON(end.state), 'SANDBOX_STATE_');
    const words = [state, enumText(causeToJSON(end.cause), 'CAUSE_'), end.causeDetail].filter((word) => word !== '');
    context.host.stdout.write(`${words.join(': ')}\n`);
  }
  return ExitCode.ok;
};

/** `viv sandbox update`: replaces all labels. */
export const updateSandbox: Action<{ readonly label: readonly string[] }> = async (context, operands, flags) => {
  const labels = parseKeyValues(flags.label, '--label', { bare: true });
  const { sandboxes } = await context.connect('sandboxes');
  return await forEachOperand(context, operands, async (sandboxId) => {
    await sandboxes.updateSandbox({ requestId: context.requestId(), sandboxId, labels });
    return sandboxId;
  });
};
