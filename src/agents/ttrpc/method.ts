import type { MethodName } from '../timeouts.ts';
import { TIMEOUTS_MS } from '../timeouts.ts';

interface Encodes<T> {
  encode(message: T): { finish(): Uint8Array };
}

interface Decodes<T> {
  decode(input: Uint8Array): T;
}

/** One method of a service, with its codecs and its deadline. */
export interface Method<Request, Response> {
  readonly service: string;
  readonly name: MethodName;
  readonly request: Encodes<Request>;
  readonly response: Decodes<Response>;
  /** 0: none. */
  readonly timeoutMs: number;
}

/** A method as its generated service definition tells it. One without a row in the table of deadlines does not compile. */
export function method<Request, Response>(
  service: { readonly fullName: string },
  definition: { readonly name: MethodName; readonly requestType: Encodes<Request>; readonly responseType: Decodes<Response> },
): Method<Request, Response> {
  const { name, requestType: request, responseType: response } = definition;
  return { service: service.fullName, name, request, response, timeoutMs: TIMEOUTS_MS[name] };
}
