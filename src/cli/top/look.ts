import { ContainerState, type Container, type GetContainerStatsResponse } from '../../gen/vivarium/v1/container.ts';
import { SandboxState, type GetSandboxStatsResponse, type Sandbox } from '../../gen/vivarium/v1/sandbox.ts';
import { listPages } from '../actions/list-pages.ts';
import type { Clients } from '../client/clients.ts';
import { daemonFailure } from '../client/daemon-failure.ts';

/** How many figures are asked for at once: a guest that is slow to answer must not hold the others up, nor a thousand flood the daemon. */
const askedAtOnce = 16;
/** Figures that take longer are left out of this look. */
const patienceMs = 3000;

export interface SandboxLook {
  readonly sandbox: Sandbox;
  /** Undefined when it has none: it is not up, or went meanwhile. */
  readonly stats: GetSandboxStatsResponse | undefined;
  readonly containers: readonly ContainerLook[];
}

export interface ContainerLook {
  readonly container: Container;
  readonly stats: GetContainerStatsResponse | undefined;
}

type TopClients = Clients<'sandboxes' | 'containers'>;

const overStates: readonly SandboxState[] = [SandboxState.SANDBOX_STATE_STOPPED, SandboxState.SANDBOX_STATE_FAILED];
/** Their VMs answer; of a paused one only the host's side is known. */
const awakeStates: readonly SandboxState[] = [SandboxState.SANDBOX_STATE_READY, SandboxState.SANDBOX_STATE_RUNNING, SandboxState.SANDBOX_STATE_STOPPING];
const liveContainers: readonly ContainerState[] = [ContainerState.CONTAINER_STATE_RUNNING, ContainerState.CONTAINER_STATE_PAUSED];

/** Looks once at every sandbox that is not over, and at the containers that run in it. */
export async function lookAtAll({ sandboxes, containers }: TopClients, signal: AbortSignal): Promise<SandboxLook[]> {
  const [allSandboxes, allContainers] = await Promise.all([
    listPages((pageToken) => sandboxes.listSandboxes({ pageToken }, { signal }), (response) => response.sandboxes),
    listPages((pageToken) => containers.listContainers({ states: [...liveContainers], pageToken }, { signal }), (response) => response.containers),
  ]);
  const shown = allSandboxes.filter(({ state }) => !overStates.includes(state));
  const awake = new Set(shown.filter(({ state }) => awakeStates.includes(state)).map(({ id }) => id));
  const ofSandboxes = await sideBySide(shown, async ({ id, state }) =>
    awake.has(id) || state === SandboxState.SANDBOX_STATE_PAUSED ? await ifTold(signal, (own) => sandboxes.getSandboxStats({ sandboxId: id }, { signal: own })) : undefined);
  const ofContainers = await sideBySide(allContainers, async ({ id, sandboxId }) =>
    awake.has(sandboxId) ? await ifTold(signal, (own) => containers.getContainerStats({ containerId: id }, { signal: own })) : undefined);
  const looks = allContainers.map((container, index) => ({ container, stats: ofContainers[index] }));
  return shown.map((sandbox, index) => ({
    sandbox,
    stats: ofSandboxes[index],
    containers: looks.filter(({ container }) => container.sandboxId === sandbox.id),
  }));
}

/** Figures, when there are any: what ended, is being recovered or whose guest is mute has none, and is shown without. */
async function ifTold<Stats>(signal: AbortSignal, ask: (signal: AbortSignal) => Promise<Stats>): Promise<Stats | undefined> {
  const patience = AbortSignal.timeout(patienceMs);
  try {
    return await ask(AbortSignal.any([signal, patience]));
  } catch (error) {
    const reason = daemonFailure(error)?.reason ?? '';
    const refused = reason !== '' && reason !== 'SHUTTING_DOWN';
    if (signal.aborted || !(refused || patience.aborted)) throw error;
    return undefined;
  }
}

/** Works on a few at once; answers in the order of the items. */
async function sideBySide<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(askedAtOnce, items.length) }, worker));
  return results;
}
