import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { DomainError } from '../../core/model/errors.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { isLoopback } from './listen-address.ts';

/** As much of a Prometheus registry as is needed here; prom-client's Registry is one. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface MetricsHttpParts {
  readonly registry: MetricsSource;
  /** Figures with a sandbox's id as label: many series, so on a path of their own and only when configured. */
  readonly sandboxRegistry: MetricsSource | undefined;
  readonly healthy: () => boolean;
  readonly logger: Logger;
  /** Whether an address that others can reach is taken. */
  readonly allowRemote: boolean;
}

const TEXT = 'text/plain; charset=utf-8';
const MOST_CONNECTIONS = 16;
const REQUEST_MS = 5000;

/** GET /metrics (Prometheus text), /metrics/sandboxes when there is a registry for it, and /healthz. */
export class MetricsHttp {
  readonly #parts: MetricsHttpParts;
  readonly #server: Server;
  /** A scrape under way is shared: slow figures are gathered once however many ask. */
  readonly #scrapes = new Map<MetricsSource, Promise<string>>();

  constructor(parts: MetricsHttpParts) {
    this.#parts = parts;
    this.#server = createServer({ headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS, maxHeaderSize: 8192 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => { this.#fail(response, error); });
    });
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  /** Listens on HOST:PORT and answers the port taken. HOST_RESOURCE when it can't, or when the host is not a loopback address. */
  async listen(host: string, port: number): Promise<number> {
    if (!isLoopback(host) && !this.#parts.allowRemote) {
      throw new DomainError('HOST_RESOURCE', `metrics are served on a loopback address only, and ${host} is none`, { remedy: 'set metrics_remote = true if others may read them' });
    }
    return await new Promise<number>((resolve, reject) => {
      this.#server.once('error', (cause) => { reject(new DomainError('HOST_RESOURCE', `can't serve metrics on ${host}:${port}: ${cause.message}`, { cause, remedy: 'give another --metrics HOST:PORT, or none' })); });
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => { resolve(); });
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, TEXT, 'only GET\n');
      return;
    }
    const path = (request.url ?? '').split('?', 1)[0];
    const { registry, sandboxRegistry, healthy } = this.#parts;
    if (path === '/metrics') send(response, 200, registry.contentType, await this.#scrape(registry));
    else if (path === '/metrics/sandboxes' && sandboxRegistry !== undefined) send(response, 200, sandboxRegistry.contentType, await this.#scrape(sandboxRegistry));
    else if (path === '/healthz') send(response, healthy() ? 200 : 503, TEXT, healthy() ? 'ok\n' : 'not serving\n');
    else send(response, 404, TEXT, 'not found\n');
  }

  async #scrape(source: MetricsSource): Promise<string> {
    const running = this.#scrapes.get(source);
    if (running !== undefined) return await running;
    const scrape = source.metrics().finally(() => { this.#scrapes.delete(source); });
    this.#scrapes.set(source, scrape);
    return await scrape;
  }

  #fail(response: ServerResponse, error: unknown): void {
    this.#parts.logger.error({ err: error }, 'a scrape of the metrics failed');
    if (response.headersSent) response.destroy();
    else send(response, 500, TEXT, 'failed; see the daemon log\n');
  }
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
