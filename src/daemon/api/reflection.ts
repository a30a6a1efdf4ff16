import { ServerReflection } from 'nice-grpc-server-reflection';

type Reflection = ReturnType<typeof ServerReflection>;

/**
 * gRPC's server reflection over a google.protobuf.FileDescriptorSet. The library decodes the whole set when its service is made, tens of milliseconds of every start
 * that few ever need: it is made when somebody asks first.
 */
export function reflectionWhenAsked(descriptorSet: Uint8Array, serviceNames: readonly string[]): Reflection {
  let made: Reflection | undefined;
  return {
    serverReflectionInfo: (requests, context) => {
      made ??= ServerReflection(descriptorSet, serviceNames);
      return made.serverReflectionInfo(requests, context);
    },
  };
}
