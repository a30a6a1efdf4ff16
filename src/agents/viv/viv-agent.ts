import type { GuestDevice, GuestFunction } from '../../core/model/device-spec.ts';
import type { GuestFeature, GuestInfo, GuestProcess, OutputEvent, ProcessKey } from '../../core/ports/agent.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { Metrics } from '../../core/ports/telemetry.ts';
import type { Process } from '../../gen/vivarium/agent/v1/stream.ts';
import { EventsRequest, EventsResponse } from '../../gen/vivarium/agent/v1/stream.ts';
import { TIMEOUTS_MS } from '../timeouts.ts';
import type { TtrpcClient } from '../ttrpc/client.ts';
import { orProtocolError } from '../ttrpc/message.ts';
import { TtrpcAgent } from '../ttrpc-agent.ts';
import type { Offsets } from './acks.ts';
import { Acks } from './acks.ts';
import { awaitDevice, awaitDeviceGone, awaitFunction, releaseDevice } from './devices.ts';
import { toGuestExit } from './exit.ts';
import { OutputStream } from './output-stream.ts';
import { GUEST_SERVICE, VIV } from './services.ts';
import { writeStdin } from './stdin.ts';

/** The agent's own words for them (InfoResponse.features). One that it does not know is one that it has not. */
const FEATURES: ReadonlyMap<string, GuestFeature> = new Map([['names-v1', 'names'], ['devices-v1', 'devices'], ['nodes-v1', 'nodes'], ['rules-v1', 'rules'], ['pci-v1', 'pci']]);

export interface VivAgentDeps {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'dropped'>;
}

/** Our own agent: the kata protocol, and streams by offset, so that nothing is lost with a link. */
export class VivAgent extends TtrpcAgent {
  readonly kind = 'viv-agent';
  readonly #deps: VivAgentDeps;
  readonly #acks: Acks;
  #features: ReadonlySet<GuestFeature> | undefined;

  constructor(client: TtrpcClient, deps: VivAgentDeps) {
    super(client);
    this.#deps = deps;
    this.#acks = new Acks(deps.clock, (key, offsets) => this.#sendAck(key, offsets));
    client.onEnd(() => { this.#acks.stop(); });
  }

  /** Asks for the guest's events; called once, when the agent has answered. */
  watch(): void {
    this.client.openStream(
      { service: GUEST_SERVICE, name: 'Events', timeoutMs: TIMEOUTS_MS.Events, payload: [EventsRequest.encode({}).finish()] },
      {
        onData: (payload) => { this.#takeEvent(payload); },
        onResult: () => { this.#deps.metrics.dropped('agent_events_ended'); },
        // The end of the connection is told as `lost`; an agent without this call has no events.
        onError: () => { this.#deps.metrics.dropped('agent_events_ended'); },
      },
    );
  }

  override async info(options?: WaitOptions): Promise<GuestInfo> {
    const info = await this.client.call(VIV.info, {}, options);
    this.#features = new Set(info.features.flatMap((word) => FEATURES.get(word) ?? []));
    return {
      agentVersion: info.agentVersion,
      kernelRelease: info.kernelRelease,
      bootId: info.bootId,
      memoryBytes: Number(info.memoryBytes),
      cpus: info.onlineCpus,
    };
  }

  override async features(options?: WaitOptions): Promise<ReadonlySet<GuestFeature>> {
    if (this.#features === undefined) await this.info(options);
    return this.#features ?? new Set();
  }

  override async processes(options?: WaitOptions): Promise<readonly GuestProcess[]> {
    const { processes } = await this.client.call(VIV.listProcesses, {}, options);
    const nowMs = this.#deps.clock.wallMs();
    return processes.map((process) => toGuestProcess(process, nowMs));
  }

  override async awaitDevice(place: string, options: WaitOptions = {}): Promise<GuestDevice> {
    return await awaitDevice(this.client, place, options);
  }

  override async awaitFunction(place: string, options: WaitOptions = {}): Promise<GuestFunction> {
    return await awaitFunction(this.client, place, options);
  }

  override async releaseDevice(place: string, options: WaitOptions = {}): Promise<void> {
    await releaseDevice(this.client, place, options);
  }

  override async awaitDeviceGone(place: string, options: WaitOptions = {}): Promise<void> {
    await awaitDeviceGone(this.client, place, options);
  }

  override async *output(key: ProcessKey, from: Offsets, options: WaitOptions = {}): AsyncGenerator<OutputEvent, void> {
    const stream = new OutputStream(from, () => this.#deps.clock.wallMs());
    const call = stream.open(this.client, key, options);
    this.#acks.begin(key, from);
    try {
      for (let event = await stream.next(); event !== undefined; event = await stream.next()) yield event;
    } finally {
      call[Symbol.dispose]();
      this.#acks.end(key);
    }
  }

  override ack(key: ProcessKey, offsets: Offsets): void {
    this.#acks.note(key, offsets);
  }

  override async writeStdin(key: ProcessKey, offset: bigint, data: Uint8Array, eof: boolean, options: WaitOptions = {}): Promise<bigint> {
    return await writeStdin(this.client, { key, offset, data, eof }, options);
  }

  /** A failed ack needs no care: the next one says more, a lost link is told as such, and a process that is gone has nothing to free. */
  async #sendAck(key: ProcessKey, offsets: Offsets): Promise<void> {
    const { containerId, execId = '' } = key;
    try {
      await this.client.call(VIV.ack, { containerId, execId, stdoutOffset: offsets.stdout, stderrOffset: offsets.stderr });
    } catch {
      this.#deps.metrics.dropped('agent_ack');
    }
  }

  #takeEvent(payload: Uint8Array): void {
    const { event } = orProtocolError('an event', () => EventsResponse.decode(payload));
    if (event?.$case === 'oom') this.events.emit({ kind: 'oom', containerId: event.value.containerId });
    else if (event?.$case === 'containerCreated') this.events.emit({ kind: 'created', ...event.value });
  }
}

function toGuestProcess(process: Process, nowMs: number): GuestProcess {
  return {
    key: { containerId: process.containerId, execId: process.execId === '' ? undefined : process.execId },
    pid: process.pid,
    exit: process.exit === undefined ? undefined : toGuestExit(process.exit, nowMs),
    terminal: process.terminal,
    paused: process.paused,
    stdout: { written: process.stdoutWritten, acked: process.stdoutAcked },
    stderr: { written: process.stderrWritten, acked: process.stderrAcked },
    stdinAccepted: process.stdinAccepted,
  };
}
