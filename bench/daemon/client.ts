import { createChannel, createClientFactory } from 'nice-grpc';
import type { Channel, Client } from 'nice-grpc';
import { AsyncQueue } from '../../src/base/async-queue.ts';
import { channelOptions } from '../../src/cli/client/clients.ts';
import { STREAMING_CONTAINER_SERVICE } from '../../src/cli/stream/output-decoding.ts';
import type { ExecRequest } from '../../src/gen/vivarium/v1/container.ts';
import { DeviceServiceDefinition } from '../../src/gen/vivarium/v1/device.ts';
import { HostServiceDefinition } from '../../src/gen/vivarium/v1/host.ts';
import { ImageServiceDefinition } from '../../src/gen/vivarium/v1/image.ts';
import { SandboxServiceDefinition } from '../../src/gen/vivarium/v1/sandbox.ts';
import type { Phase } from '../../src/gen/vivarium/v1/common.ts';

/** Output is acknowledged each time so much of it has come: a little less than the longest message. */
const ACK_BYTES = 248n * 1024n;

export interface ExecResult {
  readonly code: number;
  readonly stdoutBytes: bigint;
}

/** A client of the API with the command line's own channel and decoder. */
export class BenchClient implements Disposable {
  readonly sandboxes: Client<SandboxServiceDefinition>;
  readonly containers: Client<typeof STREAMING_CONTAINER_SERVICE>;
  readonly devices: Client<DeviceServiceDefinition>;
  readonly images: Client<ImageServiceDefinition>;
  readonly host: Client<HostServiceDefinition>;
  readonly #channel: Channel;

  /** `host` as `unix:PATH`; another factory is for calls that are not measured. */
  constructor(host: string, factory = createClientFactory()) {
    this.#channel = createChannel(host.replace(/^unix:/, 'unix://'), undefined, channelOptions);
    this.sandboxes = factory.create(SandboxServiceDefinition, this.#channel);
    this.containers = factory.create(STREAMING_CONTAINER_SERVICE, this.#channel);
    this.devices = factory.create(DeviceServiceDefinition, this.#channel);
    this.images = factory.create(ImageServiceDefinition, this.#channel);
    this.host = factory.create(HostServiceDefinition, this.#channel);
  }

  /** Runs a process to its exit, reading and acknowledging its output. */
  async exec(containerId: string, command: readonly string[], signal: AbortSignal): Promise<ExecResult> {
    const requests = new AsyncQueue<ExecRequest>(1024);
    requests.tryPush({ message: { $case: 'start', value: { requestId: '', containerId, command: [...command], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false } } });
    let [read, acked] = [0n, 0n];
    try {
      for await (const { message } of this.containers.exec(requests, { signal })) {
        if (message?.$case === 'exit') return { code: message.value.code, stdoutBytes: read };
        if (message?.$case === 'lost') throw new Error('output was lost');
        if (message?.$case !== 'stdout') continue;
        read = message.value.offset + BigInt(message.value.data.length);
        if (read - acked < ACK_BYTES) continue;
        acked = read;
        requests.tryPush({ message: { $case: 'ack', value: { stdout: read, stderr: 0n } } });
      }
    } finally {
      requests.end();
    }
    throw new Error('the stream ended without an exit');
  }

  /** As `exec`; fails unless it ends with 0. */
  async must(containerId: string, command: readonly string[], signal: AbortSignal): Promise<ExecResult> {
    const result = await this.exec(containerId, command, signal);
    if (result.code !== 0) throw new Error(`${command.join(' ')} ended with ${result.code}`);
    return result;
  }

  /** A running container that only sleeps, in a sandbox. */
  async sleeper(sandboxId: string, signal: AbortSignal, image = 'busybox'): Promise<string> {
    const { container } = await this.containers.createContainer({ requestId: '', sandboxId, spec: { rootfs: { $case: 'image', value: image }, args: ['sleep', '100000'] } }, { signal });
    const id = container?.id ?? '';
    await this.containers.startContainer({ containerId: id }, { signal });
    return id;
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** When a phase of a reply ended, counted from the start of the call in the daemon. */
export function phaseEndMs(phases: readonly Phase[], name: string): number {
  const phase = phases.find((candidate) => candidate.name === name);
  if (phase === undefined) throw new Error(`the reply has no phase ${name}: ${phases.map((each) => each.name).join(', ')}`);
  return durationMs(phase.offset) + durationMs(phase.duration);
}

export function phaseMs(phases: readonly Phase[], name: string): number {
  return durationMs(phases.find((phase) => phase.name === name)?.duration);
}

function durationMs(duration: Phase['duration']): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
