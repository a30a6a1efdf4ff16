import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createChannel, createClientFactory } from 'nice-grpc';
import type { Channel, Client } from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import { SystemClock } from '../../src/host/system-clock.ts';
import { SystemIdSource } from '../../src/host/id-source.ts';
import { ApiServer } from '../../src/daemon/api/server.ts';
import type { Services } from '../../src/daemon/services/facade.ts';
import { ContainerServiceDefinition } from '../../src/gen/vivarium/v1/container.ts';
import { EventServiceDefinition } from '../../src/gen/vivarium/v1/event.ts';
import { GuestServiceDefinition } from '../../src/gen/vivarium/v1/guest.ts';
import { HostServiceDefinition } from '../../src/gen/vivarium/v1/host.ts';
import { SandboxServiceDefinition } from '../../src/gen/vivarium/v1/sandbox.ts';
import { HealthDefinition } from '../../src/gen/grpc/health/v1/health.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';
import { memoryRequests } from '../fakes/memory-request-journal.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

export interface CountedCall {
  readonly method: string;
  readonly code: string;
  readonly seconds: number;
}

/** A real server on a unix socket of its own, over services that the test gives. */
export class ApiHarness implements AsyncDisposable {
  readonly logger = new MemoryLogger();
  readonly calls: CountedCall[] = [];
  readonly server: ApiServer;
  readonly directory: string;
  readonly socketPath: string;
  readonly #channels: Channel[] = [];
  #stopped = false;

  private constructor(server: (harness: ApiHarness) => ApiServer, directory: string) {
    this.directory = directory;
    this.socketPath = join(directory, 'vivd.sock');
    this.server = server(this);
  }

  static async start(services: Services): Promise<ApiHarness> {
    const directory = await mkdtemp('/tmp/vv-api-');
    const descriptorSet = await readFile(join(REPOSITORY, 'dist/vivarium.binpb'));
    const harness = new ApiHarness((self) => new ApiServer({
      services,
      requests: memoryRequests(),
      clock: new SystemClock(),
      ids: new SystemIdSource(),
      logger: self.logger,
      metrics: { rpc: (method, code, seconds) => { self.calls.push({ method, code, seconds }); } },
      descriptorSet,
    }), directory);
    await harness.server.listen(harness.address);
    harness.server.setServing(true);
    return harness;
  }

  get address(): string {
    return `unix:${this.socketPath}`;
  }

  readonly sandboxes = (): Client<SandboxServiceDefinition> => this.#client(SandboxServiceDefinition);
  readonly containers = (): Client<ContainerServiceDefinition> => this.#client(ContainerServiceDefinition);
  readonly events = (): Client<EventServiceDefinition> => this.#client(EventServiceDefinition);
  readonly host = (): Client<HostServiceDefinition> => this.#client(HostServiceDefinition);
  readonly guests = (): Client<GuestServiceDefinition> => this.#client(GuestServiceDefinition);
  readonly health = (): Client<HealthDefinition> => this.#client(HealthDefinition);

  /** A connection of its own, which the test may close under the server. */
  channel(options: Readonly<Record<string, number>> = {}, socketPath: string = this.socketPath): Channel {
    const channel = createChannel(`unix://${socketPath}`, undefined, { 'grpc.max_receive_message_length': 16 << 20, 'grpc.use_local_subchannel_pool': 1, ...options });
    this.#channels.push(channel);
    return channel;
  }

  clientOn<Definition extends Parameters<ReturnType<typeof createClientFactory>['create']>[0]>(channel: Channel, definition: Definition): Client<Definition> {
    return createClientFactory().use(errorDetailsClientMiddleware).create(definition, channel);
  }

  async stop(times = { streamsMs: 50, callsMs: 200, closeMs: 200 }): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.server.stop(times);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.#channels) channel.close();
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  #client<Definition extends Parameters<ReturnType<typeof createClientFactory>['create']>[0]>(definition: Definition): Client<Definition> {
    return this.clientOn(this.channel(), definition);
  }
}
