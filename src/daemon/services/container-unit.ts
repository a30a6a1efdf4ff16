import { deferred } from '../../base/abort.ts';
import { Serial } from '../../base/serial.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ExitStatus } from '../../core/model/outcome.ts';
import type { ContainerRecord } from '../../core/model/record.ts';
import type { GuestExit } from '../../core/ports/agent.ts';
import type { ContainerLog } from '../../core/ports/logs.ts';
import type { ResolvedSource, RootfsPlace } from '../../core/ports/storage.ts';
import { ProcessPump, exitStatus } from './process-pump.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { StdinWriter } from './stdin-writer.ts';

/** One container as it lives in this daemon: its log, the pump that fills it, its stdin, and the order of what is asked of it. */
export class ContainerUnit {
  readonly sandbox: SandboxUnit;
  readonly id: string;
  /** Create, start, stop and delete of one container never overlap. */
  readonly serial = new Serial();
  /** The guest knows this container. */
  inGuest = false;
  /** Of its first process, as the guest told when it made it; else 0. Written down when it starts. */
  guestPid = 0;
  readonly stdin: StdinWriter;
  #log: Promise<ContainerLog> | undefined;
  #source: Promise<ResolvedSource> | undefined;
  #pump: ProcessPump | undefined;
  readonly #onExit: (unit: ContainerUnit) => void;
  #startRecorded: Promise<undefined> | undefined;
  #holders = 0;
  #unheld = deferred<undefined>();

  constructor(sandbox: SandboxUnit, id: string, onExit: (unit: ContainerUnit) => void) {
    this.sandbox = sandbox;
    this.id = id;
    this.#onExit = onExit;
    this.stdin = new StdinWriter(() => this.sandbox.agent, { containerId: id, execId: undefined });
  }

  /** CONTAINER_NOT_FOUND once it was deleted. */
  get record(): ContainerRecord {
    const record = this.sandbox.record.containers.find((candidate) => candidate.id === this.id);
    if (record === undefined) throw new DomainError('CONTAINER_NOT_FOUND', `container ${this.id} was deleted`, { sandboxId: this.sandbox.id, containerId: this.id });
    return record;
  }

  get exists(): boolean {
    return this.sandbox.record.containers.some((candidate) => candidate.id === this.id);
  }

  rootfsPlace(): RootfsPlace {
    const { places } = this.sandbox.deps;
    return {
      containerId: this.id,
      stateDir: places.containerDir(this.sandbox.id, this.id),
      shareDir: `${places.runDir(this.sandbox.id)}/shared`,
      trashDir: places.trashDir,
    };
  }

  /** Where the host has its root file system mounted. */
  rootfsPath(): string {
    const { shareDir, containerId } = this.rootfsPlace();
    return `${shareDir}/${containerId}/rootfs`;
  }

  /** Where its root file system came from; it does not change while the container is there. */
  source(): Promise<ResolvedSource> {
    this.#source ??= this.sandbox.deps.oci.resolve(this.record.spec.rootfs, this.record.imageId);
    this.#source.catch(() => { this.#source = undefined; });
    return this.#source;
  }

  log(): Promise<ContainerLog> {
    this.#log ??= this.sandbox.deps.logs.open(this.sandbox.deps.places.logDir(this.sandbox.id, this.id));
    this.#log.catch(() => { this.#log = undefined; });
    return this.#log;
  }

  /** Drains the first process from where the log ends. Idempotent. */
  async pump(): Promise<void> {
    if (this.#pump !== undefined || this.sandbox.agent === undefined) return;
    const { deps } = this.sandbox;
    const log = await this.log();
    this.#pump ??= new ProcessPump({
      key: { containerId: this.id, execId: undefined },
      terminal: this.record.spec.tty,
      agent: this.sandbox.agent,
      log,
      base: this.record.logBase,
      clock: deps.clock,
      logger: this.sandbox.log,
      onExit: (exit) => { void this.#exited(exit); },
    });
  }

  /** Records an exit that was seen, or that must be assumed. The log ends there. */
  async ended(exit: ExitStatus, more: Partial<ContainerRecord> = {}): Promise<void> {
    const log = await this.log();
    await log.finish();
    if (!this.exists) return;
    await this.sandbox.actor.commit({ target: 'container', id: this.id, kind: 'exited', patch: { exit, finishedAtMs: exit.atMs, guestPid: 0, ...more } });
    this.#onExit(this);
  }

  /** It is being started: its exit, which may come before the answer to its start, is recorded after the start. */
  starting(): Disposable {
    const recorded = deferred<undefined>();
    this.#startRecorded = recorded.promise;
    return { [Symbol.dispose]: () => { recorded.resolve(undefined); } };
  }

  /** Someone reads its streams: an automatic removal waits for them. */
  hold(): Disposable {
    this.#holders += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#holders -= 1;
        if (this.#holders > 0) return;
        this.#unheld.resolve(undefined);
        this.#unheld = deferred<undefined>();
      },
    };
  }

  async unheld(): Promise<void> {
    while (this.#holders > 0) await this.#unheld.promise;
  }

  /** Another life of the same container begins: its log goes on, its pump is new. */
  async renew(): Promise<void> {
    await this.release();
    this.inGuest = false;
    this.guestPid = 0;
    this.stdin.reset(0n);
  }

  /** Lets go of it; what runs goes on. */
  async release(): Promise<void> {
    await this.#stopPump();
    const log = this.#log;
    this.#log = undefined;
    if (log !== undefined) await (await log).close();
  }

  async #stopPump(): Promise<void> {
    const pump = this.#pump;
    this.#pump = undefined;
    await pump?.stop();
  }

  /** The end of a container that is being stopped, alone or with its sandbox, is what was asked for; its code tells how it took that. */
  #asAskedFor(exit: ExitStatus): ExitStatus {
    const { state } = this.sandbox.record;
    const asked = state === 'stopping' || state === 'deleting' || (this.exists && this.record.state === 'stopping');
    return asked && exit.cause === 'CONTAINER_EXIT' ? { ...exit, cause: 'OPERATOR_STOP' } : exit;
  }

  async #exited(exit: GuestExit): Promise<void> {
    try {
      await this.#startRecorded;
      await this.ended(this.#asAskedFor(exitStatus(exit)));
    } catch (error) {
      this.sandbox.log.error({ error, container: this.id }, 'exit not recorded');
    }
  }
}
