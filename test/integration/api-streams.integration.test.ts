import { join } from 'node:path';
import { Status } from 'nice-grpc-common';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/abort.ts';
import { AsyncQueue } from '../../src/base/async-queue.ts';
import type { DeepPartial } from '../../src/gen/vivarium/v1/container.ts';
import { ContainerServiceDefinition } from '../../src/gen/vivarium/v1/container.ts';
import type { ExecRequest, ExecResponse } from '../../src/gen/vivarium/v1/container.ts';
import { FakeProcessStream } from '../fakes/fake-process-stream.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import { ApiHarness } from './api-harness.ts';
import { CuttableWire } from './cuttable-wire.ts';

type Request = DeepPartial<ExecRequest>;

const START: Request = { message: { $case: 'start', value: { containerId: 'web', command: ['cat'], stdin: true } } };

async function caseList(stream: AsyncIterable<ExecResponse>): Promise<string[]> {
  const cases: string[] = [];
  for await (const { message } of stream) cases.push(message?.$case ?? '');
  return cases;
}

describe('Exec', () => {
  it('runs from start to exit', async () => {
    const process = new FakeProcessStream();
    await using api = await ApiHarness.start(fakeServices({ containers: { exec: async () => process } }));
    const requests = new AsyncQueue<Request>(8);
    requests.tryPush(START);
    requests.tryPush({ message: { $case: 'stdin', value: { offset: 0n, data: Buffer.from('hello') } } });
    void (async () => {
      await process.emit('stdout', Buffer.from('hello'));
      await process.exit();
    })();
    const cases = await caseList(api.containers().exec(requests));
    expect(cases.filter((name) => name !== 'stdinAck')).toEqual(['started', 'stdout', 'exit']);
    await process.disposed.promise;
  });

  it.each<[string, Request[]]>([
    ['no message at all', []],
    ['stdin first', [{ message: { $case: 'stdin', value: { data: Buffer.from('x') } } }]],
    ['an empty first message', [{}]],
  ])('refuses %s', async (_what, messages) => {
    await using api = await ApiHarness.start(fakeServices());
    const requests = new AsyncQueue<Request>(8);
    for (const message of messages) requests.tryPush(message);
    requests.end();
    await expect(caseList(api.containers().exec(requests))).rejects.toMatchObject({ code: Status.INVALID_ARGUMENT });
  });

  it('refuses a second start', async () => {
    await using api = await ApiHarness.start(fakeServices({ containers: { exec: async () => new FakeProcessStream() } }));
    const requests = new AsyncQueue<Request>(8);
    requests.tryPush(START);
    requests.tryPush(START);
    await expect(caseList(api.containers().exec(requests))).rejects.toMatchObject({ code: Status.INVALID_ARGUMENT });
  });

  it('resumes by id and offsets', async () => {
    const asked = deferred<unknown>();
    const process = new FakeProcessStream({ stdout: 10n, stderr: 4n });
    const resumeExec = async (execId: string, offsets: unknown, { containerRef }: { containerRef?: string | undefined }): Promise<FakeProcessStream> => {
      asked.resolve({ execId, offsets, containerRef });
      return process;
    };
    await using api = await ApiHarness.start(fakeServices({ containers: { resumeExec } }));
    const requests = new AsyncQueue<Request>(8);
    requests.tryPush({ message: { $case: 'resume', value: { execId: 'e'.repeat(32), containerId: 'ctr', offsets: { stdout: 10n, stderr: 4n } } } });
    void process.exit();
    expect(await caseList(api.containers().exec(requests))).toEqual(['started', 'exit']);
    expect(await asked.promise).toEqual({ execId: 'e'.repeat(32), offsets: { stdout: 10n, stderr: 4n }, containerRef: 'ctr' });
  });

  it('lets go of the process when its client vanishes in the middle of output', async () => {
    const process = new FakeProcessStream();
    await using api = await ApiHarness.start(fakeServices({ containers: { exec: async () => process } }));
    await using wire = await CuttableWire.open(join(api.directory, 'wire.sock'), api.socketPath);
    const requests = new AsyncQueue<Request>(8);
    requests.tryPush(START);
    const heard = deferred<undefined>();
    const reading = (async () => {
      for await (const { message } of api.clientOn(api.channel({}, wire.path), ContainerServiceDefinition).exec(requests)) {
        if (message?.$case === 'stdout') heard.resolve(undefined);
      }
    })();
    const outcome = expect(reading).rejects.toMatchObject({ code: Status.UNAVAILABLE });
    void (async () => { while (await process.emit('stdout', Buffer.alloc(65_536))) await Promise.resolve(); })();
    await heard.promise;
    wire.cut();
    await outcome;
    await process.disposed.promise;
    expect(process.written.stdout).toBeLessThanOrEqual(1024n * 1024n);
  });

  it('does not grow the daemon for a client that acknowledges but does not read', async () => {
    const process = new FakeProcessStream();
    await using api = await ApiHarness.start(fakeServices({ containers: { exec: async () => process } }));
    await using wire = await CuttableWire.open(join(api.directory, 'wire.sock'), api.socketPath);
    const requests = new AsyncQueue<Request>(8);
    requests.tryPush(START);
    const heard = deferred<undefined>();
    const reading = (async () => {
      for await (const { message } of api.clientOn(api.channel({}, wire.path), ContainerServiceDefinition).exec(requests)) {
        if (message?.$case === 'stdout') heard.resolve(undefined);
      }
    })().catch((error: unknown) => error);
    await process.emit('stdout', Buffer.alloc(1000));
    await heard.promise;
    wire.stall();
    let emitted = 0;
    const chunk = Buffer.alloc(65_536);
    const feeding = (async () => {
      // The window is opened for it without end: only what the server itself takes bounds the output.
      for (; emitted < 4096; emitted += 1) {
        process.ack(process.written);
        if (!(await process.emit('stdout', chunk))) return;
      }
    })();
    await quiet(() => emitted);
    expect(emitted * chunk.length).toBeLessThan(16 * 1024 * 1024);
    wire.cut();
    await reading;
    await feeding;
  });
});

/** Resolves when the count has not moved for a while: a bound was met, or all is done. */
async function quiet(count: () => number): Promise<void> {
  for (let last = -1; last !== count();) {
    last = count();
    await new Promise((resolve) => { setTimeout(resolve, 300); });
  }
}
