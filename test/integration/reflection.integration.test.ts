import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { Client, credentials } from '@grpc/grpc-js';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { ServerReflectionService } from 'nice-grpc-server-reflection';
import { ServerReflectionRequest } from 'nice-grpc-server-reflection/lib/proto/grpc/reflection/v1/reflection_pb.js';
import type { ServerReflectionResponse } from 'nice-grpc-server-reflection/lib/proto/grpc/reflection/v1/reflection_pb.js';
import { describe, expect, it } from 'vitest';
import { fakeServices } from '../fakes/fake-services.ts';
import { ApiHarness } from './api-harness.ts';

class ReflectionClient implements Disposable {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  async ask(request: ServerReflectionRequest): Promise<ServerReflectionResponse> {
    const { path, requestSerialize, responseDeserialize } = ServerReflectionService.serverReflectionInfo;
    const call: ClientDuplexStream<ServerReflectionRequest, ServerReflectionResponse> = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    return await new Promise((resolve, reject) => {
      call.once('data', resolve).once('error', reject);
      call.write(request);
      call.end();
    });
  }

  async file(request: ServerReflectionRequest): Promise<FileDescriptorProto> {
    const [bytes] = (await this.ask(request)).getFileDescriptorResponse()?.getFileDescriptorProtoList_asU8() ?? [];
    if (bytes === undefined) throw new Error('no file');
    return fromBinary(FileDescriptorProtoSchema, bytes);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

describe('server reflection', () => {
  it('lists every service with health', async () => {
    await using api = await ApiHarness.start(fakeServices());
    using client = new ReflectionClient(api.address);
    const answer = await client.ask(new ServerReflectionRequest().setListServices(''));
    expect(answer.getListServicesResponse()?.getServiceList().map((service) => service.getName()).sort()).toEqual([
      'grpc.health.v1.Health', 'vivarium.v1.ContainerService', 'vivarium.v1.DeviceService', 'vivarium.v1.EventService', 'vivarium.v1.GuestService', 'vivarium.v1.HostService', 'vivarium.v1.ImageService', 'vivarium.v1.SandboxService', 'vivarium.v1.VolumeService',
    ]);
  });

  it('gives each service\'s file and everything that it imports', async () => {
    await using api = await ApiHarness.start(fakeServices());
    using client = new ReflectionClient(api.address);
    const seen = new Map<string, FileDescriptorProto>();
    const follow = async (file: FileDescriptorProto): Promise<void> => {
      if (seen.has(file.name)) return;
      seen.set(file.name, file);
      for (const name of file.dependency) await follow(await client.file(new ServerReflectionRequest().setFileByFilename(name)));
    };
    for (const service of ['vivarium.v1.SandboxService', 'vivarium.v1.VolumeService', 'vivarium.v1.ContainerService', 'vivarium.v1.HostService', 'vivarium.v1.GuestService', 'vivarium.v1.ImageService', 'vivarium.v1.EventService', 'grpc.health.v1.Health']) {
      const file = await client.file(new ServerReflectionRequest().setFileContainingSymbol(service));
      expect(file.service.map(({ name }) => `${file.package}.${name}`)).toContain(service);
      await follow(file);
    }
    expect([...seen.keys()]).toContain('google/protobuf/timestamp.proto');
  });

  it('says when there is no such symbol', async () => {
    await using api = await ApiHarness.start(fakeServices());
    using client = new ReflectionClient(api.address);
    expect((await client.ask(new ServerReflectionRequest().setFileContainingSymbol('vivarium.v1.Nothing'))).getErrorResponse()?.getErrorCode()).toBe(5);
  });
});
