import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Status } from 'nice-grpc-common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/abort.ts';
import { ApiServer } from '../../src/daemon/api/server.ts';
import { HealthCheckResponse_ServingStatus as Serving } from '../../src/gen/grpc/health/v1/health.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { SystemIdSource } from '../../src/host/id-source.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';
import { memoryRequests } from '../fakes/memory-request-journal.ts';
import { ApiHarness, REPOSITORY } from './api-harness.ts';

const STOP = { streamsMs: 20, callsMs: 100, closeMs: 100 };

describe('the socket', () => {
  let directory = '';
  let path = '';
  beforeEach(async () => {
    directory = await mkdtemp('/tmp/vv-sock-');
    path = join(directory, 'vivd.sock');
  });
  afterEach(async () => { await rm(directory, { recursive: true, force: true }); });

  const makeServer = async (): Promise<ApiServer> => new ApiServer({
    services: fakeServices(), requests: memoryRequests(), clock: new SystemClock(), ids: new SystemIdSource(), logger: new MemoryLogger(), metrics: { rpc: () => {} },
    descriptorSet: await readFile(join(REPOSITORY, 'dist/vivarium.binpb')),
  });

  it('is open to its owner only, and gone after a stop', async () => {
    const server = await makeServer();
    expect(await server.listen(`unix:${path}`)).toBe(`unix:${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await server.stop(STOP);
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('replaces what a killed daemon left behind', async () => {
    const leave = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', leave]).signal).toBe('SIGKILL');
    expect((await stat(path)).isSocket()).toBe(true);
    const server = await makeServer();
    await server.listen(`unix:${path}`);
    await new Promise((resolve, reject) => connect(path).once('connect', resolve).once('error', reject));
    await server.stop(STOP);
  });

  it('is left to a daemon that answers on it', async () => {
    const first = await makeServer();
    await first.listen(`unix:${path}`);
    const second = await makeServer();
    await expect(second.listen(`unix:${path}`)).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: expect.stringContaining('another process answers') as string });
    await first.stop(STOP);
  });

  it('does not replace what is not a socket', async () => {
    await writeFile(path, 'precious');
    await expect((await makeServer()).listen(`unix:${path}`)).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  it('may be TCP on a loopback address, said explicitly', async () => {
    const server = await makeServer();
    expect(await server.listen('tcp:127.0.0.1:0')).toMatch(/^tcp:127\.0\.0\.1:\d+$/);
    await server.stop(STOP);
    await expect((await makeServer()).listen('tcp:0.0.0.0:0')).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
  });
});

describe('health', () => {
  it('is told for the daemon and each service, and unknown ones are named so', async () => {
    await using api = await ApiHarness.start(fakeServices());
    const health = api.health();
    expect(await health.check({})).toEqual({ status: Serving.SERVING });
    expect(await health.check({ service: 'vivarium.v1.ContainerService' })).toEqual({ status: Serving.SERVING });
    await expect(health.check({ service: 'nobody' })).rejects.toMatchObject({ code: Status.NOT_FOUND });
    api.server.setServing(false);
    expect(await health.check({})).toEqual({ status: Serving.NOT_SERVING });
  });

  it('is watched from SERVING to NOT_SERVING when the daemon stops', async () => {
    await using api = await ApiHarness.start(fakeServices());
    const heard: Serving[] = [];
    const first = deferred<undefined>();
    const watching = (async () => {
      for await (const { status } of api.health().watch({})) {
        heard.push(status);
        first.resolve(undefined);
      }
    })();
    await first.promise;
    await Promise.all([api.stop(), expect(watching).rejects.toMatchObject({ code: Status.UNAVAILABLE })]);
    expect(heard).toEqual([Serving.SERVING, Serving.NOT_SERVING]);
  });
});

describe('stopping', () => {
  it('lets a call that ends in time end well, and takes no new one', async () => {
    const started = deferred<undefined>();
    const finish = deferred<undefined>();
    await using api = await ApiHarness.start(fakeServices({
      host: {
        images: async () => {
          started.resolve(undefined);
          await finish.promise;
          return [];
        },
      },
    }));
    const host = api.host();
    const running = host.listImages({});
    await started.promise;
    const stopping = api.stop({ streamsMs: 20, callsMs: 5000, closeMs: 100 });
    await expect(host.listImages({})).rejects.toMatchObject({ code: Status.UNAVAILABLE });
    finish.resolve(undefined);
    expect(await running).toEqual({ images: [] });
    await stopping;
  });

  it('tells streams UNAVAILABLE after their grace, with the reason', async () => {
    const started = deferred<undefined>();
    await using api = await ApiHarness.start(fakeServices({
      events: {
        watch: async function* (_how, { signal }) {
          started.resolve(undefined);
          yield await new Promise<never>((_resolve, reject) => signal?.addEventListener('abort', () => { reject(signal.reason as Error); }));
        },
      },
    }));
    const watching = (async () => {
      for await (const _event of api.events().watchEvents({})) throw new Error('no event was sent');
    })();
    const outcome = expect(watching).rejects.toMatchObject({ code: Status.UNAVAILABLE, details: expect.stringContaining('shutting down') as string });
    await started.promise;
    await api.stop();
    await outcome;
  });

  it('does not wait for a call that ignores its signal', async () => {
    const started = deferred<undefined>();
    await using api = await ApiHarness.start(fakeServices({
      host: {
        images: async () => {
          started.resolve(undefined);
          return await new Promise<never>(() => {});
        },
      },
    }));
    void api.host().listImages({}).catch((error: unknown) => error);
    await started.promise;
    await api.stop({ streamsMs: 10, callsMs: 20, closeMs: 50 });
    expect(api.logger.lines).toContainEqual({ level: 'warn', message: 'closing connections under their clients', fields: { calls: 1 } });
  });
});
