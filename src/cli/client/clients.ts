import { Channel, ChannelCredentials, createClientFactory, waitForChannelReady, type Client } from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import type { DaemonAddress } from './address.ts';
import { repeatCall, type RepeatParts } from './repeat-call.ts';

/** Where each service is described; what is loaded is what a command calls, because the descriptions are large. */
const definitions = {
  sandboxes: async () => (await import('../../gen/vivarium/v1/sandbox.ts')).SandboxServiceDefinition,
  containers: async () => (await import('../stream/output-decoding.ts')).STREAMING_CONTAINER_SERVICE,
  devices: async () => (await import('../../gen/vivarium/v1/device.ts')).DeviceServiceDefinition,
  events: async () => (await import('../../gen/vivarium/v1/event.ts')).EventServiceDefinition,
  host: async () => (await import('../../gen/vivarium/v1/host.ts')).HostServiceDefinition,
  images: async () => (await import('../../gen/vivarium/v1/image.ts')).ImageServiceDefinition,
  volumes: async () => (await import('../../gen/vivarium/v1/volume.ts')).VolumeServiceDefinition,
  guests: async () => (await import('../../gen/vivarium/v1/guest.ts')).GuestServiceDefinition,
  health: async () => (await import('../../gen/grpc/health/v1/health.ts')).HealthDefinition,
};

type Definitions = { readonly [Name in keyof typeof definitions]: Awaited<ReturnType<(typeof definitions)[Name]>> };

export type ServiceName = keyof Definitions;

/** Clients of the services named. */
export type Clients<Name extends ServiceName = ServiceName> = { readonly [N in Name]: Client<Definitions[N]> };

/** One connection to the daemon, made when the first call needs it. */
export interface Connection extends Disposable {
  clients<Name extends ServiceName>(...names: Name[]): Promise<Clients<Name>>;
  /** Resolves when the daemon takes connections; rejects at the deadline. */
  ready(deadline: Date): Promise<void>;
}

export const channelOptions = {
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': 64 * 1024 * 1024,
  // A process may be 1 MiB ahead of us; with HTTP/2's own 64 KiB every message of output waits for word from us, half-way.
  'grpc-node.flow_control_window': 1024 * 1024,
  // A broken stream is resumed as soon as the daemon is back: look for it often, it is on this host.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.min_reconnect_backoff_ms': 5000,
  // Each command is one process with one connection; a shared pool would outlive it in tests.
  'grpc.use_local_subchannel_pool': 1,
};

/**
 * @param signal ends every call that has no signal of its own
 * @param repeat how a call with a request id goes on after its connection broke; absent: it fails
 */
export function openConnection(address: DaemonAddress, signal: AbortSignal, repeat?: RepeatParts): Connection {
  const channel = new Channel(address.target, ChannelCredentials.createInsecure(), channelOptions);
  const plain = createClientFactory().use(errorDetailsClientMiddleware);
  const factory = repeat === undefined ? plain : plain.use(repeatCall(repeat));
  return {
    clients: async <Name extends ServiceName>(...names: Name[]): Promise<Clients<Name>> => {
      const made = await Promise.all(names.map(async (name) => [name, factory.create(await definitions[name](), channel, { '*': { signal } })]));
      return Object.fromEntries(made) as Clients<Name>;
    },
    ready: (deadline) => waitForChannelReady(channel, deadline),
    [Symbol.dispose]: () => { channel.close(); },
  };
}
