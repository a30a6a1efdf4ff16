import { Channel, ChannelCredentials, createClientFactory, waitForChannelReady, type Client } from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import { HealthDefinition } from '../../gen/grpc/health/v1/health.ts';
import { ContainerServiceDefinition } from '../../gen/vivarium/v1/container.ts';
import { EventServiceDefinition } from '../../gen/vivarium/v1/event.ts';
import { GuestServiceDefinition } from '../../gen/vivarium/v1/guest.ts';
import { HostServiceDefinition } from '../../gen/vivarium/v1/host.ts';
import { SandboxServiceDefinition } from '../../gen/vivarium/v1/sandbox.ts';
import type { DaemonAddress } from './address.ts';

export interface Clients extends Disposable {
  readonly sandboxes: Client<typeof SandboxServiceDefinition>;
  readonly containers: Client<typeof ContainerServiceDefinition>;
  readonly events: Client<typeof EventServiceDefinition>;
  readonly host: Client<typeof HostServiceDefinition>;
  readonly guests: Client<typeof GuestServiceDefinition>;
  readonly health: Client<typeof HealthDefinition>;
  /** Resolves when the daemon takes connections; rejects at the deadline. */
  ready(deadline: Date): Promise<void>;
}

const channelOptions = {
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': 64 * 1024 * 1024,
  // A broken stream is resumed as soon as the daemon is back: look for it often, it is on this host.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.min_reconnect_backoff_ms': 5000,
  // Each command is one process with one connection; a shared pool would outlive it in tests.
  'grpc.use_local_subchannel_pool': 1,
};

/** Clients of every service on one connection, made when the first call needs it. */
export function createClients(address: DaemonAddress, signal: AbortSignal): Clients {
  const channel = new Channel(`unix://${address.socketPath}`, ChannelCredentials.createInsecure(), channelOptions);
  const factory = createClientFactory().use(errorDetailsClientMiddleware);
  const defaults = { '*': { signal } };
  return {
    sandboxes: factory.create(SandboxServiceDefinition, channel, defaults),
    containers: factory.create(ContainerServiceDefinition, channel, defaults),
    events: factory.create(EventServiceDefinition, channel, defaults),
    host: factory.create(HostServiceDefinition, channel, defaults),
    guests: factory.create(GuestServiceDefinition, channel, defaults),
    health: factory.create(HealthDefinition, channel, defaults),
    ready: (deadline) => waitForChannelReady(channel, deadline),
    [Symbol.dispose]: () => { channel.close(); },
  };
}
