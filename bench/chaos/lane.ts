import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { daemonFailure } from '../../src/cli/client/daemon-failure.ts';
import { Cause, causeToJSON } from '../../src/gen/vivarium/v1/common.ts';
import { SandboxState, sandboxStateToJSON } from '../../src/gen/vivarium/v1/sandbox.ts';
import type { Sandbox } from '../../src/gen/vivarium/v1/sandbox.ts';
import type { Book } from './book.ts';
import type { DaemonLife, Work } from './life.ts';
import type { Operation } from './schedule.ts';

/** A VM that was killed is known to be dead within this. */
const NOTICED_MS = 30_000;
const LOOK_MS = 100;
/** For so long after its start, what a daemon refuses may still come from the death of the last one. */
const AFTERMATH_MS = 10_000;
const OF_A_KILL: ReadonlySet<Cause> = new Set<Cause>([Cause.CAUSE_VMM_CRASH, Cause.CAUSE_VIRTIOFSD_LOST, Cause.CAUSE_UNKNOWN, Cause.CAUSE_OPERATOR_STOP, Cause.CAUSE_RESOURCE_FAILURE]);

export interface LaneParts {
  readonly index: number;
  readonly life: DaemonLife;
  readonly book: Book;
  readonly profiles: { readonly plain: string; readonly shared: string };
}

/** One caller with one sandbox at a time: does what its schedule says, as far as faults leave it possible, and says what they do not explain. */
export class Lane {
  readonly #parts: LaneParts;
  #made = 0;
  #id: string | undefined;
  #vmmPid = 0;
  #containerId: string | undefined;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** The sandbox that it has now. */
  get id(): string | undefined {
    return this.#id;
  }

  async run(operations: Iterable<Operation>, over: () => boolean): Promise<void> {
    for (const operation of operations) {
      if (over()) return;
      if (operation === 'create' || operation === 'create-shared') await this.#create(operation);
      else if (this.#id === undefined) this.#parts.book.count(`skipped: ${operation}`);
      else await this.#step(operation, this.#id);
    }
  }

  async #create(operation: 'create' | 'create-shared'): Promise<void> {
    const { book, index, profiles } = this.#parts;
    if (this.#id !== undefined) await this.#delete(this.#id);
    this.#made += 1;
    const name = `lane${index}-${this.#made}`;
    const requestId = randomUUID();
    const profile = operation === 'create' ? profiles.plain : profiles.shared;
    const reply = await this.#attempt(operation, name, (client, signal) => client.sandboxes.createSandbox({ requestId, spec: { name, profile } }, { signal }));
    const sandbox = reply?.sandbox;
    if (sandbox === undefined) return;
    book.standing.set(sandbox.id, name);
    this.#id = sandbox.id;
    this.#booted(sandbox);
  }

  async #step(operation: Exclude<Operation, 'create' | 'create-shared'>, sandboxId: string): Promise<void> {
    const { book } = this.#parts;
    if (operation === 'delete') {
      await this.#delete(sandboxId);
      return;
    }
    const sandbox = await this.#look(sandboxId);
    if (sandbox === undefined) return;
    if (sandbox.state === SandboxState.SANDBOX_STATE_FAILED) await this.#delete(sandboxId);
    else if (sandbox.state === SandboxState.SANDBOX_STATE_STOPPED && operation !== 'stop') await this.#start(sandboxId);
    else if (fits(operation, sandbox.state)) await this.#perform(operation, sandboxId);
    else book.count(`skipped: ${operation}`);
  }

  async #perform(operation: 'container' | 'exec' | 'pause' | 'resume' | 'stop' | 'start', sandboxId: string): Promise<void> {
    const requestId = randomUUID();
    switch (operation) {
      case 'container':
        this.#containerId = await this.#container(sandboxId);
        return;
      case 'exec':
        await this.#exec(sandboxId);
        return;
      case 'pause':
        await this.#attempt(operation, sandboxId, (client, signal) => client.sandboxes.pauseSandbox({ requestId, sandboxId }, { signal }));
        return;
      case 'resume':
        await this.#attempt(operation, sandboxId, (client, signal) => client.sandboxes.resumeSandbox({ requestId, sandboxId }, { signal }));
        return;
      case 'stop':
        this.#containerId = undefined;
        await this.#attempt(operation, sandboxId, (client, signal) => client.sandboxes.stopSandbox({ requestId, sandboxId, grace: { seconds: 1n, nanos: 0 } }, { signal }));
        return;
      case 'start':
        await this.#start(sandboxId);
    }
  }

  async #start(sandboxId: string): Promise<void> {
    const requestId = randomUUID();
    const began = performance.now();
    const reply = await this.#attempt('start', sandboxId, (client, signal) => client.sandboxes.startSandbox({ requestId, sandboxId }, { signal }));
    this.#vmmPid = 0;
    if (reply?.sandbox === undefined) return;
    this.#parts.book.heal(sandboxId, began);
    this.#booted(reply.sandbox);
  }

  async #container(sandboxId: string): Promise<string | undefined> {
    const [createId, startId] = [randomUUID(), randomUUID()];
    const spec = { rootfs: { $case: 'image' as const, value: 'busybox' }, args: ['sleep', '100000'] };
    const reply = await this.#attempt('container', sandboxId, (client, signal) => client.containers.createContainer({ requestId: createId, sandboxId, spec }, { signal }));
    const containerId = reply?.container?.id;
    if (containerId === undefined) return undefined;
    const started = await this.#attempt('container start', sandboxId, (client, signal) => client.containers.startContainer({ requestId: startId, containerId }, { signal }));
    return started === undefined ? undefined : containerId;
  }

  async #exec(sandboxId: string): Promise<void> {
    const containerId = this.#containerId ?? (await this.#container(sandboxId));
    this.#containerId = containerId;
    if (containerId === undefined) return;
    const result = await this.#attempt('exec', sandboxId, (client, signal) => client.exec(containerId, ['true'], signal));
    if (result !== undefined && result.code !== 0 && !this.#parts.book.isMortallyWounded(sandboxId)) this.#parts.book.violate(`${sandboxId}: an exec of true ended with ${result.code}`);
    if (result === undefined) this.#containerId = undefined;
  }

  async #delete(sandboxId: string): Promise<void> {
    const requestId = randomUUID();
    const { book, life } = this.#parts;
    book.standing.delete(sandboxId);
    const reply = await this.#attempt('delete', sandboxId, (client, signal) => client.sandboxes.deleteSandbox({ requestId, sandboxId, force: true }, { signal }));
    this.#id = undefined;
    this.#containerId = undefined;
    if (reply === undefined) return;
    const still = await life.ask((client, signal) => client.sandboxes.getSandbox({ sandboxId }, { signal })).catch((error: unknown) => { if (daemonFailure(error)?.reason !== 'SANDBOX_NOT_FOUND') throw error; });
    if (still !== undefined) book.violate(`${sandboxId} was deleted and is ${sandboxStateToJSON(still.sandbox?.state ?? 0)}`);
  }

  #booted({ vmmPid }: Sandbox): void {
    this.#vmmPid = vmmPid;
    this.#containerId = undefined;
  }

  /** The sandbox as it is once what was done to it has shown. Undefined when the lane has none any more. */
  async #look(sandboxId: string): Promise<Sandbox | undefined> {
    const { book } = this.#parts;
    const until = performance.now() + NOTICED_MS;
    for (;;) {
      const reply = await this.#attempt('get', sandboxId, (client, signal) => client.sandboxes.getSandbox({ sandboxId }, { signal }));
      const sandbox = reply?.sandbox;
      if (sandbox === undefined) {
        this.#id = undefined;
        book.violate(`${sandboxId} was acknowledged and can't be found`);
        return undefined;
      }
      const ended = sandbox.state === SandboxState.SANDBOX_STATE_STOPPED || sandbox.state === SandboxState.SANDBOX_STATE_FAILED;
      if (ended || (isSettled(sandbox.state) && !book.isMortallyWounded(sandboxId))) {
        this.#judge(sandbox, ended);
        return sandbox;
      }
      if (performance.now() > until) {
        book.violate(`${sandboxId} is ${sandboxStateToJSON(sandbox.state)} ${NOTICED_MS} ms after ${book.isMortallyWounded(sandboxId) ? 'its VM was killed' : 'the last request'}`);
        return undefined;
      }
      await delay(LOOK_MS);
    }
  }

  #judge({ id, state, cause, causeDetail, vmmPid }: Sandbox, ended: boolean): void {
    const { book } = this.#parts;
    if (!ended) {
      if (this.#vmmPid !== 0 && vmmPid !== this.#vmmPid) book.violate(`${id}: its VMM was ${this.#vmmPid} and is ${vmmPid}, and nobody restarted it`);
      this.#vmmPid = vmmPid;
      return;
    }
    this.#containerId = undefined;
    const wounded = book.isMortallyWounded(id);
    const allowed = wounded ? OF_A_KILL : new Set([Cause.CAUSE_OPERATOR_STOP, Cause.CAUSE_RESOURCE_FAILURE]);
    if (state === SandboxState.SANDBOX_STATE_STOPPED && !allowed.has(cause)) book.violate(`${id} has stopped with ${causeToJSON(cause)} (${causeDetail}); ${wounded ? 'its VM was killed' : 'nothing was done to it'}`);
  }

  /** Undefined when it was refused. A refusal that no fault explains, or that says no reason, is written down. */
  async #attempt<T>(what: string, whom: string, work: Work<T>): Promise<T | undefined> {
    const { life, book } = this.#parts;
    const [began, crashes] = [performance.now(), life.crashes];
    try {
      const result = await life.ask(work);
      book.count(what);
      return result;
    } catch (error) {
      const failure = daemonFailure(error);
      const reason = failure?.reason ?? '';
      if (reason === 'REQUEST_OUTCOME_UNKNOWN') book.unknown.add(whom);
      book.refuse(`${what}: ${reason === '' ? 'no reason' : reason}`);
      const crashed = life.crashes !== crashes || life.lastCrashMs > began - AFTERMATH_MS;
      const wounded = book.isMortallyWounded(whom) || (what.startsWith('create') && book.lastMortalMs > began - LOOK_MS);
      if (reason === '' || reason === 'INTERNAL') book.violate(`${what} of ${whom} failed without a type: ${String(error)}`);
      else if (!crashed && !wounded) book.violate(`${what} of ${whom} was refused, and no fault explains it: ${String(error)}`);
      return undefined;
    }
  }
}

function fits(operation: Operation, state: SandboxState): boolean {
  const paused = state === SandboxState.SANDBOX_STATE_PAUSED;
  const live = paused || state === SandboxState.SANDBOX_STATE_READY || state === SandboxState.SANDBOX_STATE_RUNNING;
  if (operation === 'resume') return paused;
  if (operation === 'stop') return live;
  return operation !== 'start' && live && !paused;
}

function isSettled(state: SandboxState): boolean {
  return state === SandboxState.SANDBOX_STATE_PAUSED || state === SandboxState.SANDBOX_STATE_READY || state === SandboxState.SANDBOX_STATE_RUNNING;
}
