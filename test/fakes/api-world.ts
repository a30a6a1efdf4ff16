import { Metadata } from 'nice-grpc-common';
import type { ServerMiddlewareCall } from 'nice-grpc-common';
import { ContainerService } from '../../src/daemon/api/container-service.ts';
import type { RequestContext } from '../../src/daemon/api/call-context.ts';
import { RequestOnce } from '../../src/daemon/api/request-once.ts';
import { SandboxService } from '../../src/daemon/api/sandbox-service.ts';
import { RequestBook } from '../../src/daemon/services/request-book.ts';
import { AttachRequest, ContainerServiceDefinition, ExecRequest } from '../../src/gen/vivarium/v1/container.ts';
import type { AttachResponse, DeepPartial, ExecResponse } from '../../src/gen/vivarium/v1/container.ts';
import { SandboxServiceDefinition } from '../../src/gen/vivarium/v1/sandbox.ts';
import { MemoryLogger } from './memory-logger.ts';
import { MemoryRequestJournal } from './memory-request-journal.ts';
import type { FakeVm, TestServices, World } from './world.ts';

const SANDBOX_METHODS = SandboxServiceDefinition.methods;
const CONTAINER_METHODS = ContainerServiceDefinition.methods;

type SandboxMethod = Exclude<keyof typeof SANDBOX_METHODS, 'console'>;
type ContainerMethod = Exclude<keyof typeof CONTAINER_METHODS, 'exec' | 'attach' | 'getContainerLogs'>;
export type UnaryMethod = SandboxMethod | ContainerMethod;
type Fields = Readonly<Record<string, unknown>>;

/** A daemon's API without its sockets: services over a world, the request middleware before them, and a journal of requests that outlives it. */
export class ApiWorld {
  readonly world: World;
  services: TestServices;
  journal = new MemoryRequestJournal();
  /** What was done and not yet written down when the daemon was killed is lost. */
  losesOutcomes = false;
  #once: RequestOnce;
  #sandboxes: SandboxService;
  #containers: ContainerService;

  constructor(world: World) {
    this.world = world;
    this.services = world.services();
    ({ once: this.#once, sandboxes: this.#sandboxes, containers: this.#containers } = this.#build());
  }

  /** kill -9 and a new start. What was held is never let go, for nobody is there who waited. */
  async restart(): Promise<void> {
    this.world.held.clear();
    const { entries } = this.journal;
    this.journal = new MemoryRequestJournal(new Map([...entries].map(([id, entry]) => [id, this.losesOutcomes ? { ...entry, outcome: undefined } : entry])));
    this.losesOutcomes = false;
    this.services = this.world.services();
    ({ once: this.#once, sandboxes: this.#sandboxes, containers: this.#containers } = this.#build());
    const { settled } = await this.services.recovery.begin();
    void settled.then(() => this.#once.settle());
  }

  get vm(): FakeVm {
    const vm = [...this.world.vms.values()].find(({ alive }) => alive);
    if (vm === undefined) throw new Error('no VM');
    return vm;
  }

  /** How many events of a type there were. */
  count(type: string): number {
    return this.world.events.filter((event) => event.type === type).length;
  }

  async call(method: UnaryMethod, fields: Fields, signal = new AbortController().signal): Promise<Fields> {
    const definition = method in SANDBOX_METHODS ? SANDBOX_METHODS[method as SandboxMethod] : CONTAINER_METHODS[method as ContainerMethod];
    const service = method in SANDBOX_METHODS ? SandboxServiceDefinition.fullName : ContainerServiceDefinition.fullName;
    const handler = (method in SANDBOX_METHODS ? this.#sandboxes : this.#containers) as unknown as Readonly<Record<string, (request: unknown, context: unknown) => Promise<Fields>>>;
    const call = {
      method: { path: `/${service}/${definition.name}`, requestStream: false, responseStream: false, options: {} },
      requestStream: false,
      responseStream: false,
      request: definition.requestType.fromPartial(fields),
      next: async function* next(request: unknown, context: unknown) { return await handler[method]?.(request, context) },
    } as unknown as ServerMiddlewareCall<unknown, Fields, RequestContext>;
    const result = await this.#once.middleware(call, context(signal)).next();
    return result.value as Fields;
  }

  /** An Exec stream that stays open until its signal. Resolves with its answers as they come. */
  exec(start: DeepPartial<NonNullable<ExecRequest['message']> & { $case: 'start' }>['value'], signal = new AbortController().signal): AsyncIterator<ExecResponse> {
    async function* requests(): AsyncGenerator<ExecRequest> {
      yield ExecRequest.fromPartial({ message: { $case: 'start', value: start ?? {} } });
      await new Promise(() => undefined);
    }
    return this.#containers.exec(requests(), context(signal))[Symbol.asyncIterator]();
  }

  /** The same by Attach. */
  attach(start: DeepPartial<NonNullable<AttachRequest['message']> & { $case: 'start' }>['value'], signal = new AbortController().signal): AsyncIterator<AttachResponse> {
    async function* requests(): AsyncGenerator<AttachRequest> {
      yield AttachRequest.fromPartial({ message: { $case: 'start', value: start ?? {} } });
      await new Promise(() => undefined);
    }
    return this.#containers.attach(requests(), context(signal))[Symbol.asyncIterator]();
  }

  #build(): { once: RequestOnce; sandboxes: SandboxService; containers: ContainerService } {
    const logger = new MemoryLogger();
    const book = new RequestBook({ journal: this.journal, clock: this.world.clock, ids: { id: () => this.world.nextId() }, logger });
    const once = new RequestOnce(book, this.services);
    return { once, sandboxes: new SandboxService(this.services.sandboxes), containers: new ContainerService(this.services.containers, once, { logger, clock: this.world.clock }) };
  }
}

function context(signal: AbortSignal): Parameters<RequestOnce['middleware']>[1] {
  return { signal, requestLogId: 'log', metadata: Metadata(), peer: 'test', header: Metadata(), trailer: Metadata(), sendHeader: () => undefined };
}
