import { Counter, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/abort.ts';
import { MetricsHttp } from '../../src/daemon/api/metrics-http.ts';
import type { MetricsHttpParts } from '../../src/daemon/api/metrics-http.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';

describe('metrics over HTTP', () => {
  const servers: MetricsHttp[] = [];
  afterEach(async () => { await Promise.all(servers.splice(0).map((server) => server.stop())); });

  const serve = async (parts: Partial<MetricsHttpParts> = {}): Promise<string> => {
    const server = new MetricsHttp({ registry: new Registry(), sandboxRegistry: undefined, healthy: () => true, logger: new MemoryLogger(), allowRemote: false, ...parts });
    servers.push(server);
    return `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
  };

  it('are Prometheus text that parses', async () => {
    const registry = new Registry();
    new Counter({ name: 'vivarium_rpc_total', help: 'calls', labelNames: ['method', 'code'], registers: [registry] }).inc({ method: 'A/B', code: 'OK' }, 3);
    const response = await fetch(`${await serve({ registry })}/metrics`);
    const samples = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(samples).toEqual(['vivarium_rpc_total{method="A/B",code="OK"} 3']);
  });

  it('have figures of each sandbox only where that was asked for', async () => {
    expect((await fetch(`${await serve()}/metrics/sandboxes`)).status).toBe(404);
    expect((await fetch(`${await serve({ sandboxRegistry: new Registry() })}/metrics/sandboxes`)).status).toBe(200);
  });

  it('tell health by the status', async () => {
    expect((await fetch(`${await serve()}/healthz`)).status).toBe(200);
    expect((await fetch(`${await serve({ healthy: () => false })}/healthz`)).status).toBe(503);
  });

  it('gather once for all who ask at the same time', async () => {
    const gathered = deferred<string>();
    let asked = 0;
    const base = await serve({ registry: { contentType: 'text/plain', metrics: async () => { asked += 1; return await gathered.promise; } } });
    const answers = Promise.all(Array.from({ length: 5 }, async () => (await fetch(`${base}/metrics`)).text()));
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    gathered.resolve('x 1\n');
    expect(await answers).toEqual(Array.from({ length: 5 }, () => 'x 1\n'));
    expect(asked).toBe(1);
  });

  it('answer a failed gathering with 500, and log it', async () => {
    const logger = new MemoryLogger();
    const base = await serve({ logger, registry: { contentType: 'text/plain', metrics: async () => { throw new Error('broken'); } } });
    expect((await fetch(`${base}/metrics`)).status).toBe(500);
    expect(logger.lines.map(({ level }) => level)).toEqual(['error']);
  });

  it('take GET only, and a loopback address only', async () => {
    expect((await fetch(`${await serve()}/metrics`, { method: 'POST' })).status).toBe(405);
    const remote = new MetricsHttp({ registry: new Registry(), sandboxRegistry: undefined, healthy: () => true, logger: new MemoryLogger(), allowRemote: false });
    await expect(remote.listen('0.0.0.0', 0)).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
  });
});
