import { createServer } from 'nice-grpc';
import type { Server } from 'nice-grpc';
import type { ServerOptions } from '@grpc/grpc-js';
import { ServerReflectionService } from 'nice-grpc-server-reflection';
import { deferred } from '../../base/abort.ts';
import { HealthDefinition } from '../../gen/grpc/health/v1/health.ts';
import { ContainerServiceDefinition } from '../../gen/vivarium/v1/container.ts';
import { DeviceServiceDefinition } from '../../gen/vivarium/v1/device.ts';
import { EventServiceDefinition } from '../../gen/vivarium/v1/event.ts';
import { GuestServiceDefinition } from '../../gen/vivarium/v1/guest.ts';
import { HostServiceDefinition } from '../../gen/vivarium/v1/host.ts';
import { ImageServiceDefinition } from '../../gen/vivarium/v1/image.ts';
import { SandboxServiceDefinition } from '../../gen/vivarium/v1/sandbox.ts';
import { VolumeServiceDefinition } from '../../gen/vivarium/v1/volume.ts';
import type { Clock, IdSource } from '../../core/ports/host.ts';
import type { Logger, Metrics } from '../../core/ports/telemetry.ts';
import type { Services } from '../services/facade.ts';
import type { RequestBook } from '../services/request-book.ts';
import { CallDrain } from './call-drain.ts';
import type { DrainTimes } from './call-drain.ts';
import { CallMiddleware } from './call-middleware.ts';
import { ContainerService } from './container-service.ts';
import { DeviceService } from './device-service.ts';
import { EventService } from './event-service.ts';
import { GuestService } from './guest-service.ts';
import { HealthService } from './health.ts';
import { HostService } from './host-service.ts';
import { ImageService } from './image-service.ts';
import { describeLibraryErrors } from './library-errors.ts';
import { LIMITS } from './limits.ts';
import { parseListenAddress } from './listen-address.ts';
import { STREAMING_CONTAINER_SERVICE } from './output-encoding.ts';
import { reflectionWhenAsked } from './reflection.ts';
import { RequestOnce } from './request-once.ts';
import { ENCODED_SANDBOX_SERVICE } from './sandbox-encoding.ts';
import { SandboxService } from './sandbox-service.ts';
import { SocketFile } from './socket-file.ts';
import { withUnknownMethods } from './unknown-method.ts';
import { VolumeService } from './volume-service.ts';

const SERVICE_NAMES = [
  SandboxServiceDefinition.fullName, ContainerServiceDefinition.fullName, DeviceServiceDefinition.fullName, EventServiceDefinition.fullName, HostServiceDefinition.fullName,
  GuestServiceDefinition.fullName, ImageServiceDefinition.fullName, VolumeServiceDefinition.fullName,
];

export interface ApiServerParts {
  readonly services: Services;
  readonly requests: RequestBook;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'rpc'>;
  /** google.protobuf.FileDescriptorSet of the API and of gRPC's health protocol (dist/vivarium.binpb), for reflection. */
  readonly descriptorSet: Uint8Array;
}

export interface StopTimes extends DrainTimes {
  /** After all calls were aborted: how long until connections of clients that don't read are closed under them. */
  readonly closeMs: number;
}

/** The gRPC server: what it serves, in what order a call passes through, where it listens and how it stops. */
export class ApiServer {
  readonly #parts: ApiServerParts;
  readonly #drain: CallDrain;
  readonly #requests: RequestOnce;
  readonly #health = new HealthService(SERVICE_NAMES);
  readonly #server: Server;
  #socket: SocketFile | undefined;

  constructor(parts: ApiServerParts) {
    this.#parts = parts;
    this.#drain = new CallDrain(parts.clock);
    const middleware = new CallMiddleware(parts);
    const requests = new RequestOnce(parts.requests, parts.services);
    this.#requests = requests;
    // The library hands its options on as they are; its type names only those that clients have as well.
    const options: ServerOptions = {
      'grpc.max_receive_message_length': LIMITS.messageBytes,
      'grpc.max_send_message_length': LIMITS.messageBytes,
      'grpc.enable_channelz': 0,
      interceptors: [describeLibraryErrors],
    };
    const server = createServer(options)
      .use(middleware.metrics)
      .use(middleware.log)
      .use(middleware.errors)
      .use(this.#drain.middleware)
      .use(requests.middleware);
    server.add(ENCODED_SANDBOX_SERVICE, new SandboxService(parts.services.sandboxes));
    server.add(STREAMING_CONTAINER_SERVICE, new ContainerService(parts.services.containers, requests, { logger: parts.logger, clock: parts.clock }));
    server.add(DeviceServiceDefinition, new DeviceService(parts.services.devices));
    server.add(EventServiceDefinition, new EventService(parts.services.events));
    server.add(HostServiceDefinition, new HostService(parts.services.host));
    server.add(GuestServiceDefinition, new GuestService(parts.services.guests));
    server.add(ImageServiceDefinition, new ImageService(parts.services.images));
    server.add(VolumeServiceDefinition, new VolumeService(parts.services.volumes));
    server.add(HealthDefinition, this.#health);
    server.add(ServerReflectionService, reflectionWhenAsked(parts.descriptorSet, [...SERVICE_NAMES, HealthDefinition.fullName]));
    this.#server = server;
  }

  /**
   * Listens on `unix:/PATH` (mode 0600) or `tcp:LOOPBACK:PORT` and answers the address in that form, with the port that was taken for port 0.
   * HOST_RESOURCE when the address can't be had. Until `setServing(true)` the health service says NOT_SERVING.
   */
  async listen(address: string): Promise<string> {
    const parsed = parseListenAddress(address);
    if (parsed.kind === 'tcp') {
      const host = parsed.host.includes(':') ? `[${parsed.host}]` : parsed.host;
      const port = await withUnknownMethods(() => this.#server.listen(`${host}:${parsed.port}`));
      return `tcp:${host}:${port}`;
    }
    const socket = new SocketFile(parsed.path);
    await socket.prepare();
    await withUnknownMethods(() => this.#server.listen(`unix:${socket.bindPath}`));
    await socket.publish();
    this.#socket = socket;
    return `unix:${parsed.path}`;
  }

  /** After recovery: what requests of the last daemon have made is written down. */
  async settleRequests(): Promise<void> {
    await this.#requests.settle();
  }

  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  /** No new calls; running ones end by themselves, or are told UNAVAILABLE after their grace. Never rejects for what a client does. */
  async stop(times: StopTimes): Promise<void> {
    this.#health.setServing(false);
    const drained = this.#drain.drain(times);
    await this.#socket?.remove();
    const forced = deferred<undefined>();
    const timer = this.#parts.clock.timer(Math.max(times.streamsMs, times.callsMs) + times.closeMs, () => {
      this.#parts.logger.warn({ calls: this.#drain.activeCalls }, 'closing connections under their clients');
      this.#server.forceShutdown();
      forced.resolve(undefined);
    });
    try {
      // A handler that ignores its signal, or a client that does not read, may hold up the first for ever.
      await Promise.race([drained.then(async () => { await this.#server.shutdown(); }), forced.promise]);
    } finally {
      timer[Symbol.dispose]();
    }
  }
}
