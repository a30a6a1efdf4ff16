import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import type { ClientDuplexStream, GrpcObject, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/abort.ts';
import { FakeProcessStream } from '../fakes/fake-process-stream.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import type { ServicesScript } from '../fakes/fake-services.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';
import { ApiHarness } from './api-harness.ts';

// The client side of this file knows the .proto files and grpc-js, and nothing of ours.
const PROTO = fileURLToPath(new URL('../../proto', import.meta.url));

type Message = Record<string, unknown>;
type Call = (request: Message, options: { deadline?: number }, callback: (error: ServiceError | null, answer: Message) => void) => void;

function strangersPackage(): Record<string, ServiceClientConstructor> {
  const files = readdirSync(join(PROTO, 'vivarium/v1')).map((file) => `vivarium/v1/${file}`);
  const definition = loadSync(files, { includeDirs: [PROTO], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
  const v1 = (loadPackageDefinition(definition)['vivarium'] as GrpcObject)['v1'];
  return v1 as unknown as Record<string, ServiceClientConstructor>;
}

class Stranger {
  readonly #client: InstanceType<ServiceClientConstructor>;

  constructor(service: string, address: string) {
    const Service = strangersPackage()[service];
    if (Service === undefined) throw new Error(`no service ${service}`);
    this.#client = new Service(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  async call(method: string, request: Message, options: { deadline?: number } = {}): Promise<Message> {
    return await new Promise((resolve, reject) => {
      (this.#client[method] as unknown as Call).call(this.#client, request, options, (error, answer) => { if (error === null) resolve(answer); else reject(error); });
    });
  }

  duplex(method: string): ClientDuplexStream<Message, Message> {
    return (this.#client[method] as unknown as () => ClientDuplexStream<Message, Message>).call(this.#client);
  }

  close(): void {
    this.#client.close();
  }
}

describe('a stranger with nothing but the .proto files', () => {
  const strangers: Stranger[] = [];
  const meet = async (service: string, script: ServicesScript): Promise<{ api: ApiHarness; stranger: Stranger }> => {
    const api = await ApiHarness.start(fakeServices(script));
    const stranger = new Stranger(service, api.address);
    strangers.push(stranger);
    return { api, stranger };
  };
  afterEach(() => { for (const stranger of strangers.splice(0)) stranger.close(); });

  it('creates a sandbox and reads it', async () => {
    const { api, stranger } = await meet('SandboxService', { sandboxes: { create: async (spec) => ({ value: sandboxRecord({ name: spec.name, spec }), mode: undefined, phases: [] }) } });
    await using _api = api;
    const { sandbox } = await stranger.call('CreateSandbox', { request_id: 'r', spec: { name: 'web', workload: { memory_bytes: '134217728' } } });
    expect(sandbox).toMatchObject({ id: SANDBOX_ID, state: 'SANDBOX_STATE_READY', spec: { name: 'web', workload: { memory_bytes: '134217728' } } });
  });

  it('is told what is wrong by the code', async () => {
    const { api, stranger } = await meet('SandboxService', {});
    await using _api = api;
    await expect(stranger.call('GetSandbox', { sandbox_id: 'has space' })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('talks to a process both ways', async () => {
    const process = new FakeProcessStream();
    const { api, stranger } = await meet('ContainerService', { containers: { exec: async () => process } });
    await using _api = api;
    const call = stranger.duplex('Exec');
    const messages: Message[] = [];
    const ended = deferred<undefined>();
    call.on('data', (message: Message) => {
      messages.push(message);
      if ('exit' in message && message['message'] === 'exit') ended.resolve(undefined);
    });
    call.write({ start: { container_id: 'web', command: ['cat'], stdin: true } });
    call.write({ stdin: { offset: '0', data: Buffer.from('hello') } });
    call.write({ stdin_eof: {} });
    await process.stdinClosed.promise;
    await process.emit('stdout', Buffer.concat(process.received));
    await process.exit();
    await ended.promise;
    const output = messages.filter(({ message }) => message === 'stdout').map(({ stdout }) => (stdout as { data: Buffer }).data.toString());
    expect(output).toEqual(['hello']);
    expect(messages.at(-1)).toMatchObject({ message: 'exit', exit: { code: 7, cause: 'CAUSE_CONTAINER_EXIT' } });
    call.end();
  });

  it('has its deadline kept: it is told, and the service hears of it', async () => {
    const reason = deferred<unknown>();
    const { api, stranger } = await meet('HostService', {
      host: {
        doctor: async ({ signal }) => await new Promise<never>((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            reason.resolve(signal.reason);
            reject(signal.reason as Error);
          });
        }),
      },
    });
    await using _api = api;
    await expect(stranger.call('RunDoctor', {}, { deadline: Date.now() + 400 })).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(await reason.promise).toMatchObject({ reason: 'CANCELLED' });
  });
});
