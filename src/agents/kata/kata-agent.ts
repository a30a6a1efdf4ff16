import { raceSignal } from '../../base/abort.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ContainerSetup, GuestExit, GuestFeature, GuestInfo, GuestProcess, OutputEvent, ProcessKey, ProcessSetup, SandboxSetup } from '../../core/ports/agent.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { Metrics } from '../../core/ports/telemetry.ts';
import { toProcessMessage } from '../convert/oci-process.ts';
import { toSpecMessage } from '../convert/oci-spec.ts';
import { KATA } from '../methods.ts';
import type { TtrpcClient } from '../ttrpc/client.ts';
import { TtrpcAgent } from '../ttrpc-agent.ts';
import { adaptSpec } from './adapt-spec.ts';
import { checkContainer, checkExec } from './check-request.ts';
import { KataProcess } from './kata-process.ts';
import { readOutput } from './read-output.ts';
import { StdinWriter } from './stdin-writer.ts';

/** The terminal's end-of-file character. */
const CTRL_D = Uint8Array.of(4);

interface Known {
  readonly output: KataProcess;
  readonly stdin: StdinWriter;
}

interface KataContainer {
  started: boolean;
  paused: boolean;
  oomKilled: boolean;
  /** By exec id; the first process has an empty one. */
  readonly processes: Map<string, Known>;
}

export interface KataAgentDeps {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'dropped'>;
}

/**
 * An official kata agent. It does not answer what it does not understand, and some calls at the wrong moment harm what exists, so requests are
 * checked, and such calls are refused, before anything is sent. What an earlier connection did is not known here.
 */
export class KataAgent extends TtrpcAgent {
  readonly kind = 'kata';
  readonly #deps: KataAgentDeps;
  readonly #containers = new Map<string, KataContainer>();
  #sandboxAsked = false;
  #seccomp: boolean | undefined;

  constructor(client: TtrpcClient, deps: KataAgentDeps) {
    super(client);
    this.#deps = deps;
  }

  /** Listens for OOM kills until the connection ends. Called once; never rejects. */
  async watch(): Promise<void> {
    try {
      for (;;) {
        const { containerId } = await this.client.call(KATA.getOomEvent, {});
        const container = this.#containers.get(containerId);
        if (container !== undefined) container.oomKilled = true;
        this.events.emit({ kind: 'oom', containerId });
      }
    } catch {
      // The end of the connection is told as `lost`; an agent without this call has no events.
      this.#deps.metrics.dropped('agent_events_ended');
    }
  }

  override async info(options?: WaitOptions): Promise<GuestInfo> {
    const { agentVersion } = await this.client.call(KATA.version, { service: '' }, options);
    return { agentVersion, kernelRelease: '', bootId: '', memoryBytes: 0, cpus: 0 };
  }

  override async features(): Promise<ReadonlySet<GuestFeature>> {
    return new Set();
  }

  /** Only ever sent once: a second one empties the host's share before it fails. */
  override async createSandbox(setup: SandboxSetup, options?: WaitOptions): Promise<void> {
    if (this.#sandboxAsked) throw misused('the sandbox was set up in this guest already; asking twice would empty its share');
    this.#sandboxAsked = true;
    await super.createSandbox(setup, options);
  }

  override async createContainer(setup: ContainerSetup, options?: WaitOptions): Promise<void> {
    const { containerId } = setup;
    const spec = adaptSpec(toSpecMessage(setup.spec));
    checkContainer(containerId, spec, { seccomp: spec.Linux?.Seccomp === undefined || await this.#knowsSeccomp(options) });
    if (this.#containers.has(containerId)) throw misused(`container ${containerId} exists; a second create would destroy it`);
    const container: KataContainer = { started: false, paused: false, oomKilled: false, processes: new Map() };
    this.#containers.set(containerId, container);
    try {
      await this.sendCreateContainer(setup, spec, options);
    } catch (error) {
      // Without an answer it may be there, and has to be removed before another try.
      if (toDomainError(error).reason === 'AGENT_REFUSED') this.#containers.delete(containerId);
      throw error;
    }
    this.#add(container, { containerId, execId: undefined }, { terminal: spec.Process?.Terminal ?? false, ours: true });
  }

  /** Without an answer the guest is lost: the agent may hold its one lock for ever. */
  override async startContainer(containerId: string, options?: WaitOptions): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container?.started === true) throw misused(`container ${containerId} was started; a second start never answers`);
    if (container !== undefined) container.started = true;
    try {
      await super.startContainer(containerId, options);
    } catch (error) {
      if (toDomainError(error).details.facts?.['why'] !== 'deadline') throw error;
      throw new DomainError('AGENT_UNREACHABLE', `the guest agent never answered the start of container ${containerId}; the guest is lost`, {
        remedy: 'stop the sandbox with force',
        containerId,
        facts: { method: 'StartContainer', why: 'deadline', guest: 'lost' },
        cause: error,
      });
    }
  }

  override async removeContainer(containerId: string, options?: WaitOptions): Promise<void> {
    await super.removeContainer(containerId, options);
    this.#containers.delete(containerId);
  }

  override async exec(setup: ProcessSetup, options?: WaitOptions): Promise<void> {
    checkExec(setup.execId, toProcessMessage(setup));
    const container = this.#container(setup.containerId);
    if (container.paused) throw misused(`container ${setup.containerId} is paused; an exec now would block its resume`);
    await super.exec(setup, options);
    this.#add(container, setup, { terminal: setup.terminal, ours: true });
  }

  override async pauseContainer(containerId: string, options?: WaitOptions): Promise<void> {
    const container = this.#container(containerId);
    container.paused = true;
    try {
      await super.pauseContainer(containerId, options);
    } catch (error) {
      container.paused = false;
      throw error;
    }
  }

  override async resumeContainer(containerId: string, options?: WaitOptions): Promise<void> {
    await super.resumeContainer(containerId, options);
    this.#container(containerId).paused = false;
  }

  override async processes(): Promise<readonly GuestProcess[]> {
    throw new DomainError('UNSUPPORTED', 'an official kata agent can not list its processes', { remedy: 'use a guest with viv-agent' });
  }

  override output(
    key: ProcessKey,
    from: { stdout: bigint; stderr: bigint },
    options: WaitOptions & { readonly terminal?: boolean | undefined } = {},
  ): AsyncIterable<OutputEvent> {
    return this.#process(key, options.terminal ?? false).output.output(from, options);
  }

  override ack(key: ProcessKey, offsets: { stdout: bigint; stderr: bigint }): void {
    this.#containers.get(key.containerId)?.processes.get(key.execId ?? '')?.output.ack(offsets);
  }

  /** The signal ends only the wait: a write that was begun goes on in the guest whatever we do. */
  override async writeStdin(key: ProcessKey, offset: bigint, data: Uint8Array, eof: boolean, options: WaitOptions = {}): Promise<bigint> {
    return await raceSignal(this.#process(key, false).stdin.write(offset, data, eof), options.signal);
  }

  async #knowsSeccomp(options: WaitOptions | undefined): Promise<boolean> {
    if (this.#seccomp === undefined) {
      const { agentDetails } = await this.client.call(KATA.getGuestDetails, { memBlockSize: false, memHotplugProbe: false }, options);
      this.#seccomp = agentDetails?.supportsSeccomp ?? false;
    }
    return this.#seccomp;
  }

  #container(containerId: string): KataContainer {
    const known = this.#containers.get(containerId);
    if (known !== undefined) return known;
    // Made over an earlier connection.
    const adopted: KataContainer = { started: true, paused: false, oomKilled: false, processes: new Map() };
    this.#containers.set(containerId, adopted);
    return adopted;
  }

  #process(key: ProcessKey, terminal: boolean): Known {
    const container = this.#container(key.containerId);
    return container.processes.get(key.execId ?? '') ?? this.#add(container, key, { terminal, ours: false });
  }

  #add(container: KataContainer, key: ProcessKey, options: { readonly terminal: boolean; readonly ours: boolean }): Known {
    const { containerId, execId = '' } = key;
    const { client } = this;
    const close = async (): Promise<void> => {
      if (options.terminal) await client.call(KATA.writeStdin, { containerId, execId, data: Buffer.from(CTRL_D) });
      else await client.call(KATA.closeStdin, { containerId, execId });
    };
    const write = async (data: Uint8Array): Promise<void> => {
      await client.call(KATA.writeStdin, { containerId, execId, data: Buffer.from(data.buffer, data.byteOffset, data.length) });
    };
    const output = new KataProcess({ read: (stream) => readOutput(client, { containerId, execId }, stream), wait: () => this.#wait(container, key) }, options);
    const known = { output, stdin: new StdinWriter({ write, close }, options.ours ? 0n : undefined) };
    container.processes.set(execId, known);
    return known;
  }

  async #wait(container: KataContainer, { containerId, execId = '' }: ProcessKey): Promise<GuestExit> {
    const { status } = await this.client.call(KATA.waitProcess, { containerId, execId });
    return { status, atMs: this.#deps.clock.wallMs(), oomKilled: container.oomKilled };
  }
}

function misused(why: string): DomainError {
  return new DomainError('WRONG_STATE', why, { remedy: 'remove and create it anew where that is wanted' });
}
