import type { GuestDevice, GuestFunction } from '../core/model/device-spec.ts';
import { DomainError, toDomainError } from '../core/model/errors.ts';
import type {
  AgentEvent, ContainerSetup, ContainerUsage, GuestAgent, GuestFeature, GuestInfo, GuestProcess, OutputEvent, ProcessKey, ProcessSetup, SandboxSetup,
} from '../core/ports/agent.ts';
import type { WaitOptions } from '../core/ports/host.ts';
import type { Spec } from '../gen/agent/oci.ts';
import { HealthCheckResponse_ServingStatus } from '../gen/agent/health.ts';
import { toDeviceMessage } from './convert/device.ts';
import { toSpecMessage } from './convert/oci-spec.ts';
import { toProcessMessage } from './convert/oci-process.ts';
import { toStorageMessage } from './convert/storage.ts';
import { toUsage } from './convert/usage.ts';
import { EventRelay } from './event-relay.ts';
import { KATA } from './methods.ts';
import type { TtrpcClient } from './ttrpc/client.ts';

const SIGKILL = 9;

/** The calls that every agent with the kata protocol answers alike. What differs is left to each kind. */
export abstract class TtrpcAgent implements GuestAgent {
  abstract readonly kind: 'viv-agent' | 'kata';
  protected readonly client: TtrpcClient;
  protected readonly events = new EventRelay();
  #closed = false;

  protected constructor(client: TtrpcClient) {
    this.client = client;
    client.onEnd((error) => {
      if (!this.#closed) this.events.emit({ kind: 'lost', error });
    });
  }

  abstract info(options?: WaitOptions): Promise<GuestInfo>;
  abstract features(options?: WaitOptions): Promise<ReadonlySet<GuestFeature>>;
  abstract processes(options?: WaitOptions): Promise<readonly GuestProcess[]>;
  abstract output(key: ProcessKey, from: { stdout: bigint; stderr: bigint }, options?: WaitOptions & { readonly terminal?: boolean | undefined }): AsyncIterable<OutputEvent>;
  abstract ack(key: ProcessKey, offsets: { stdout: bigint; stderr: bigint }): void;
  abstract writeStdin(key: ProcessKey, offset: bigint, data: Uint8Array, eof: boolean, options?: WaitOptions): Promise<bigint>;

  onEvent(listener: (event: AgentEvent) => void): void {
    this.events.listen(listener);
  }

  rest(resting: boolean): void {
    this.client.rest(resting);
  }

  async check(options?: WaitOptions): Promise<void> {
    const { status } = await this.client.call(KATA.check, { service: '' }, options);
    if (status === HealthCheckResponse_ServingStatus.SERVING) return;
    throw new DomainError('AGENT_REFUSED', `the guest agent says that it is not serving (status ${status})`, { remedy: 'look at the sandbox console' });
  }

  async createSandbox(setup: SandboxSetup, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.createSandbox, {
      hostname: setup.hostname,
      dns: [...setup.dns],
      storages: setup.storages.map(toStorageMessage),
      sandboxPidns: setup.sharedPidNamespace,
      sandboxId: setup.sandboxId,
      guestHookPath: setup.guestHookPath ?? '',
      kernelModules: [],
    }, options);
  }

  async destroySandbox(options?: WaitOptions): Promise<void> {
    try {
      await this.client.call(KATA.destroySandbox, {}, options);
    } catch (error) {
      // The guest that went down took the channel with it: that was the wish.
      if (toDomainError(error).details.facts?.['why'] !== 'link') throw error;
    }
  }

  async createContainer(setup: ContainerSetup, options?: WaitOptions): Promise<void> {
    await this.sendCreateContainer(setup, toSpecMessage(setup.spec), options);
  }

  protected async sendCreateContainer(setup: ContainerSetup, spec: Spec, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.createContainer, {
      containerId: setup.containerId,
      execId: setup.containerId,
      stringUser: undefined,
      devices: setup.devices.map(toDeviceMessage),
      storages: setup.storages.map(toStorageMessage),
      OCI: spec,
      sandboxPidns: setup.sharedPidNamespace,
      sharedMounts: [],
      stdinPort: 0,
      stdoutPort: 0,
      stderrPort: 0,
    }, options);
  }

  async startContainer(containerId: string, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.startContainer, { containerId }, options);
  }

  async removeContainer(containerId: string, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.removeContainer, { containerId, timeout: 0 }, options);
  }

  async exec(setup: ProcessSetup, options?: WaitOptions): Promise<void> {
    const { containerId, execId } = setup;
    const process = toProcessMessage(setup);
    await this.client.call(KATA.execProcess, { containerId, execId, stringUser: undefined, process, stdinPort: 0, stdoutPort: 0, stderrPort: 0 }, options);
  }

  /** The protocol reaches every process with SIGKILL only: an empty exec id means all for that signal and the first process for any other. */
  async signal(key: ProcessKey, signal: number, all: boolean, options?: WaitOptions): Promise<void> {
    if (all && signal !== SIGKILL) {
      throw new DomainError('UNSUPPORTED', `the guest agent can send only SIGKILL to every process of a container, not signal ${signal}`, {
        remedy: 'send the signal to one process, or use SIGKILL',
      });
    }
    const execId = all ? '' : (key.execId ?? key.containerId);
    await this.client.call(KATA.signalProcess, { containerId: key.containerId, execId, signal }, options);
  }

  async pauseContainer(containerId: string, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.pauseContainer, { containerId }, options);
  }

  async resumeContainer(containerId: string, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.resumeContainer, { containerId }, options);
  }

  async usage(containerId: string, options?: WaitOptions): Promise<ContainerUsage> {
    const { cgroupStats } = await this.client.call(KATA.statsContainer, { containerId }, options);
    return toUsage(cgroupStats);
  }

  async resizeTty(key: ProcessKey, rows: number, columns: number, options?: WaitOptions): Promise<void> {
    const { containerId, execId = '' } = key;
    await this.client.call(KATA.ttyWinResize, { containerId, execId, row: rows, column: columns }, options);
  }

  async metrics(options?: WaitOptions): Promise<string> {
    return (await this.client.call(KATA.getMetrics, {}, options)).metrics;
  }

  async setTime(epochMs: number, options?: WaitOptions): Promise<void> {
    const seconds = Math.floor(epochMs / 1000);
    const microseconds = Math.floor((epochMs - seconds * 1000) * 1000);
    await this.client.call(KATA.setGuestDateTime, { Sec: BigInt(seconds), Usec: BigInt(microseconds) }, options);
  }

  async reseed(bytes: Uint8Array, options?: WaitOptions): Promise<void> {
    await this.client.call(KATA.reseedRandomDev, { data: Buffer.from(bytes) }, options);
  }

  // The kata protocol has no such calls: its agents learn of a device with the container that gets it.

  async awaitDevice(_place: string, _options?: WaitOptions): Promise<GuestDevice> {
    throw noDevices();
  }

  async awaitFunction(_place: string, _options?: WaitOptions): Promise<GuestFunction> {
    throw noDevices();
  }

  async releaseDevice(_place: string, _options?: WaitOptions): Promise<void> {
    throw noDevices();
  }

  async awaitDeviceGone(_place: string, _options?: WaitOptions): Promise<void> {
    throw noDevices();
  }

  close(): void {
    this.#closed = true;
    this.client.close();
  }
}

function noDevices(): DomainError {
  return new DomainError('UNSUPPORTED', 'this guest agent can not tell what is plugged into its guest', { remedy: 'use a guest with viv-agent' });
}
