import { Client, credentials, Metadata, Server, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { ErrorInfo } from 'nice-grpc-error-details';
import { afterEach, describe, expect, it } from 'vitest';
import { Status as RichStatus } from '../../src/gen/google/rpc/status.ts';
import type { ServicesScript } from '../fakes/fake-services.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import { ApiHarness } from './api-harness.ts';

const GET = '/vivarium.v1.SandboxService/GetSandbox';
const DOCTOR = '/vivarium.v1.HostService/RunDoctor';
/** Never answers, whatever its signal says. */
const DEAF: ServicesScript = { host: { doctor: async () => await new Promise<never>(() => undefined) } };

/** A client of bytes: what it sends need not be a message. */
class RawClient {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_send_message_length': -1 });
  }

  async failure(path: string, request: Buffer, metadata = new Metadata()): Promise<ServiceError> {
    return await new Promise<ServiceError>((resolve, reject) => {
      this.#client.makeUnaryRequest(path, (bytes: Buffer) => bytes, (bytes) => bytes, request, metadata, (error) => {
        if (error === null) reject(new Error('it was answered'));
        else resolve(error);
      });
    });
  }

  /** The end of a two-way call that has sent one message and keeps its side open. */
  async streamFailure(path: string): Promise<ServiceError> {
    return await new Promise<ServiceError>((resolve, reject) => {
      const call = this.#client.makeBidiStreamRequest(path, (bytes: Buffer) => bytes, (bytes) => bytes);
      call.on('data', () => { reject(new Error('it was answered')); });
      call.on('error', (error) => { resolve(error as ServiceError); });
      call.write(Buffer.from('anything'));
    });
  }

  close(): void {
    this.#client.close();
  }
}

function infoOf(error: ServiceError): ErrorInfo | undefined {
  const [trailer] = error.metadata.get('grpc-status-details-bin');
  if (trailer === undefined) return undefined;
  const { code, details } = RichStatus.decode(trailer as Buffer);
  expect(code).toBe(error.code);
  const info = details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return info === undefined ? undefined : ErrorInfo.decode(info.value);
}

describe('what the gRPC library refuses by itself', () => {
  const clients: RawClient[] = [];
  const meet = async (script: ServicesScript = {}): Promise<{ api: ApiHarness; client: RawClient }> => {
    const api = await ApiHarness.start(fakeServices(script));
    const client = new RawClient(api.address);
    clients.push(client);
    return { api, client };
  };
  afterEach(() => { for (const client of clients.splice(0)) client.close(); });

  it('has a reason and a remedy when a message is too large', async () => {
    const { api, client } = await meet();
    await using _api = api;
    const error = await client.failure(GET, Buffer.alloc(9 << 20));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(infoOf(error)).toMatchObject({ reason: 'MESSAGE_TOO_LARGE', domain: 'vivarium', metadata: { remedy: expect.stringContaining('docs/api.md') as string } });
  });

  it('is INVALID_REQUEST when the bytes are no message', async () => {
    const { api, client } = await meet();
    await using _api = api;
    const error = await client.failure(GET, Buffer.from([0x0a, 0xff, 0xff]));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(infoOf(error)).toMatchObject({ reason: 'INVALID_REQUEST', domain: 'vivarium' });
  });

  it('has a reason when the deadline passes on the server, also under a handler that does not hear it', async () => {
    const { api, client } = await meet(DEAF);
    await using _api = api;
    // Told to the server alone, so that the client does not end the call before it.
    const timeout = new Metadata();
    timeout.set('grpc-timeout', '50m');
    const error = await client.failure(DOCTOR, Buffer.alloc(0), timeout);
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(infoOf(error)).toMatchObject({ reason: 'DEADLINE', domain: 'vivarium' });
  });

  it.each(['/vivarium.v1.SandboxService/NoSuch', '/vivarium.v9.NoService/Get', '/nothing'])('is UNSUPPORTED with a remedy for %s, which is not there', async (path) => {
    const { api, client } = await meet();
    await using _api = api;
    const error = await client.failure(path, Buffer.from([0xff, 0xff]));
    expect(error.code).toBe(status.UNIMPLEMENTED);
    expect(error.details).toContain(path);
    expect(infoOf(error)).toMatchObject({ reason: 'UNSUPPORTED', domain: 'vivarium', metadata: { remedy: expect.stringContaining('reflection') as string } });
  });

  it('answers a stream to a method that is not there', async () => {
    const { api, client } = await meet();
    await using _api = api;
    const error = await client.streamFailure('/vivarium.v1.ContainerService/NoSuch');
    expect(error.code).toBe(status.UNIMPLEMENTED);
    expect(infoOf(error)).toMatchObject({ reason: 'UNSUPPORTED' });
  });

  it('leaves the library as it was for every other server of the process', async () => {
    const before = Object.getOwnPropertyDescriptor(Server.prototype, 'bindAsync');
    const { api } = await meet();
    await using _api = api;
    expect(Object.getOwnPropertyDescriptor(Server.prototype, 'bindAsync')).toEqual(before);
  });
});
