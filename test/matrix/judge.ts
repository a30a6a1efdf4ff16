import { ContainerState, type Container } from '../../src/gen/vivarium/v1/container.ts';
import { SandboxState, sandboxStateToJSON, type Sandbox } from '../../src/gen/vivarium/v1/sandbox.ts';
import type { PlanName } from '../../src/core/machine/plans.ts';
import type { Cell } from './cells.ts';
import { judgeDevices } from './judge-devices.ts';
import { isLive, lives, type MatrixClient, type Subject } from './subject.ts';

/** An exec in a VM that lives answers within this, however busy the host is. */
const ANSWER_MS = 30_000;

/** Plans that must not cost a living VM its life, whatever happens to them. */
const KEEP_THE_VM: ReadonlySet<PlanName> = new Set<PlanName>(['pause', 'resume', 'recover', 'container-create', 'container-start', 'container-stop', 'container-kill', 'container-pause', 'container-resume', 'container-delete', 'exec', 'device-attach', 'device-detach']);

const SETTLED: ReadonlySet<ContainerState> = new Set<ContainerState>([
  ContainerState.CONTAINER_STATE_CREATED,
  ContainerState.CONTAINER_STATE_RUNNING,
  ContainerState.CONTAINER_STATE_PAUSED,
  ContainerState.CONTAINER_STATE_EXITED,
]);

type Name = 'gone' | 'ready' | 'running' | 'paused' | 'stopped' | 'failed';

const NAMES: ReadonlyMap<SandboxState, Name> = new Map<SandboxState, Name>([
  [SandboxState.SANDBOX_STATE_READY, 'ready'],
  [SandboxState.SANDBOX_STATE_RUNNING, 'running'],
  [SandboxState.SANDBOX_STATE_PAUSED, 'paused'],
  [SandboxState.SANDBOX_STATE_STOPPED, 'stopped'],
  [SandboxState.SANDBOX_STATE_FAILED, 'failed'],
]);

/** In which states a cell's sandbox may be found once all has settled. */
export function mayEndAs(cell: Cell): ReadonlySet<Name> {
  const dead = cell.guest === 'dead';
  // A step of the way down that is made to fail can't be undone; such a sandbox says so and can be deleted.
  const stuck: readonly Name[] = cell.fault === 'fails' || cell.fault === 'hangs' ? ['failed'] : [];
  switch (cell.plan) {
    case 'create':
      // Once it was ready, the death of its VM leaves it stopped, with the cause.
      return new Set<Name>(['gone', ...(dead ? (['stopped'] as const) : (['ready'] as const)), ...stuck]);
    case 'boot':
      return new Set<Name>(['stopped', ...(dead ? [] : (['ready', 'running'] as const)), ...stuck]);
    case 'stop':
    case 'clean':
      return new Set<Name>(['stopped', ...stuck]);
    case 'delete':
      return new Set<Name>(['gone', ...stuck]);
    case 'pause':
    case 'resume':
      return new Set<Name>(dead ? ['stopped'] : ['running', 'paused']);
    default:
      return new Set<Name>(dead ? ['stopped'] : ['running']);
  }
}

/** Everything that is not as it must be for one cell, in words; empty when all is well. */
export async function judge(client: MatrixClient, subject: Subject, sandbox: Sandbox | undefined): Promise<readonly string[]> {
  const { cell, vmm } = subject;
  const state = sandbox === undefined ? 'gone' : NAMES.get(sandbox.state);
  if (state === undefined) return [`it is still ${sandboxStateToJSON(sandbox?.state ?? 0)}`];
  const wrong: string[] = [];
  if (!mayEndAs(cell).has(state)) wrong.push(`it is ${state}${sandbox === undefined ? '' : ` (${sandbox.causeDetail})`}, not ${[...mayEndAs(cell)].join(' or ')}`);
  if (sandbox !== undefined) wrong.push(...(await judgeDevices(client, subject, sandbox)));
  if (sandbox === undefined || !isLive(sandbox.state)) {
    // What could not be taken down whole says so, and names what is left.
    if (state !== 'failed' && vmm !== undefined && lives(vmm)) wrong.push(`its VMM, pid ${vmm.pid}, still runs`);
    return wrong;
  }
  if (KEEP_THE_VM.has(cell.plan) && (vmm === undefined || sandbox.vmmPid !== vmm.pid || !lives(vmm))) wrong.push(`its VMM was ${vmm?.pid ?? 0} and is ${sandbox.vmmPid}`);
  if (sandbox.state === SandboxState.SANDBOX_STATE_PAUSED) await client.sandboxes.resumeSandbox({ sandboxId: sandbox.id }, { signal: AbortSignal.timeout(ANSWER_MS) });
  return [...wrong, ...(await judgeContainers(client, subject, sandbox))];
}

async function judgeContainers(client: MatrixClient, subject: Subject, sandbox: Sandbox): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { containers } = await client.containers.listContainers({ sandboxId: sandbox.id });
  for (const container of containers) {
    if (!SETTLED.has(container.state)) wrong.push(`container ${container.id} is in state ${container.state}`);
    if (container.state === ContainerState.CONTAINER_STATE_RUNNING) wrong.push(...(await answers(client, container)));
  }
  if (subject.witness === '' || subject.cell.plan === 'boot') return wrong;
  const witness = containers.find(({ id }) => id === subject.witness);
  if (witness?.state !== ContainerState.CONTAINER_STATE_RUNNING) return [...wrong, `the witness is in state ${witness?.state ?? 'gone'}`];
  return [...wrong, ...(await judgeWitness(client, subject.witness))];
}

async function answers(client: MatrixClient, container: Container): Promise<readonly string[]> {
  try {
    const code = await client.execTrue(container.id, AbortSignal.timeout(ANSWER_MS));
    return code === 0 ? [] : [`an exec in container ${container.id} ended with ${code}`];
  } catch (error) {
    return [`an exec in container ${container.id}: ${String(error)}`];
  }
}

/** The counter inside neither began anew nor skipped, and goes on. */
async function judgeWitness(client: MatrixClient, containerId: string): Promise<readonly string[]> {
  const text: string[] = [];
  let lines = 0;
  const stop = new AbortController();
  const limit = AbortSignal.timeout(ANSWER_MS);
  let atStart: number | undefined;
  try {
    for await (const { message } of client.containers.getContainerLogs({ containerId, follow: true }, { signal: AbortSignal.any([stop.signal, limit]) })) {
      if (message?.$case === 'lost') return ['bytes of the witness are lost'];
      if (message?.$case !== 'entry') continue;
      text.push(Buffer.from(message.value.data).toString());
      lines += message.value.data.filter((byte) => byte === 10).length;
      atStart ??= Date.now();
      // What was written long ago comes at once; what is written now comes with the time of now.
      if ((message.value.at?.getTime() ?? 0) > atStart) break;
    }
  } catch (error) {
    if (limit.aborted) return [`the witness has stopped counting at ${lines}`];
    throw error;
  } finally {
    stop.abort();
  }
  const numbers = text.join('').split('\n').slice(0, lines);
  const odd = numbers.findIndex((line, index) => line !== String(index + 1));
  return odd === -1 ? [] : [`the witness counts ${numbers.slice(Math.max(0, odd - 2), odd + 3).join(', ')} where ${odd + 1} was due`];
}
