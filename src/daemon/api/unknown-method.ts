import { Server, status as codes } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { detailed } from './library-errors.ts';

const REMEDY = 'see what there is by server reflection ("grpcurl list", "grpcurl describe"); a newer client may ask for what this daemon does not have yet';

/**
 * Runs `listen`, which makes its gRPC server before it waits for anything, and lets that server answer a method or service that is not there with
 * ErrorInfo (UNSUPPORTED). The library answers such a call before any interceptor and has no setting for it, so its lookup of handlers gets a last
 * resort. That lookup is no public part of it: where it is missing, the library's own answer (UNIMPLEMENTED without details) stands, and
 * test/integration/api-library-errors.integration.test.ts fails.
 */
export function withUnknownMethods<T>(listen: () => Promise<T>): Promise<T> {
  // The one place where the server can be had: the layer above the library makes it and keeps it.
  const bind = Object.getOwnPropertyDescriptor(Server.prototype, 'bindAsync');
  if (bind === undefined) return listen();
  Object.defineProperty(Server.prototype, 'bindAsync', {
    ...bind,
    value(this: Server, ...options: Parameters<Server['bindAsync']>): void {
      addLastResort(this);
      Reflect.apply(bind.value as Server['bindAsync'], this, options);
    },
  });
  try {
    return listen();
  } finally {
    Object.defineProperty(Server.prototype, 'bindAsync', bind);
  }
}

function addLastResort(server: Server): void {
  const lookup: unknown = Reflect.get(server, '_retrieveHandler');
  if (typeof lookup !== 'function') return;
  Reflect.set(server, '_retrieveHandler', (path: string): unknown => (Reflect.apply(lookup, server, [path]) as unknown) ?? refusal(path));
}

/** A handler in the library's own form. Two-way, as that form suits every kind of call and reads no message first. */
function refusal(path: string): object {
  const asBytes = (bytes: Buffer): Buffer => bytes;
  const func = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    const told = { code: codes.UNIMPLEMENTED, reason: 'UNSUPPORTED', remedy: REMEDY } as const;
    call.emit('error', detailed({ code: codes.UNIMPLEMENTED, details: `no such method: ${path.slice(0, 200)}` }, told));
  };
  return { func, serialize: asBytes, deserialize: asBytes, type: 'bidi', path };
}
