import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Blob, OciImage } from './oci-image.ts';

/** A registry on loopback (OCI distribution-spec, pull only), whose faults are the test's. */
export class TestRegistry {
  /** `METHOD /path` as they came. */
  readonly requests: string[] = [];
  /** `user:password` that it wants. */
  credentials: string | undefined;
  /** Answers a request in the place of the registry; false: it does not. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #blobs = new Map<string, Blob>();
  readonly #tags = new Map<string, string>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => { this.#answer(request, response); });
  }

  static async start(): Promise<TestRegistry> {
    const registry = new TestRegistry();
    await new Promise<void>((resolve) => { registry.#server.listen(0, '127.0.0.1', resolve); });
    return registry;
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The reference by which it is pulled. */
  put(name: string, tag: string, image: OciImage): string {
    for (const blob of [image.manifest, image.config, ...image.layers]) this.#blobs.set(blob.digest, blob);
    this.#tags.set(`${name}:${tag}`, image.manifest.digest);
    return `${this.host}/${name}:${tag}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => { this.#server.close(() => { resolve(); }); });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    this.requests.push(`${request.method ?? ''} ${path}`);
    if (this.fault(request, response)) return;
    if (this.credentials !== undefined && request.headers.authorization !== `Basic ${Buffer.from(this.credentials).toString('base64')}`) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}');
      return;
    }
    if (path === '/v2/') {
      response.end('{}');
      return;
    }
    const [, name = '', kind = '', reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const blob = this.#blobs.get(kind === 'manifests' ? (this.#tags.get(`${name}:${reference}`) ?? reference) : reference);
    if (blob === undefined) response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"there is none"}]}');
    else sendBlob(request, response, blob);
  }
}

function sendBlob(request: IncomingMessage, response: ServerResponse, { bytes, digest, mediaType }: Blob): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const part = bytes.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    'content-type': mediaType, 'content-length': part.length, 'docker-content-digest': digest, ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : part);
}
