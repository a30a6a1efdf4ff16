import { join } from 'node:path';
import { BadRequest, ErrorInfo, RichClientError } from 'nice-grpc-error-details';
import { Status } from 'nice-grpc-common';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/abort.ts';
import { DomainError } from '../../src/core/model/errors.ts';
import type { WatchedEvent } from '../../src/daemon/services/facade.ts';
import { EventType } from '../../src/gen/vivarium/v1/event.ts';
import { SandboxServiceDefinition } from '../../src/gen/vivarium/v1/sandbox.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import type { ServicesScript } from '../fakes/fake-services.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';
import { ApiHarness } from './api-harness.ts';
import { CuttableWire } from './cuttable-wire.ts';

async function failure(call: Promise<unknown>): Promise<RichClientError> {
  const error = await call.then(() => undefined, (reason: unknown) => reason);
  if (!(error instanceof RichClientError)) throw new Error(`expected a rich error, got ${String(error)}`);
  return error;
}

const infoOf = (error: RichClientError): ErrorInfo => error.extra.find((detail): detail is ErrorInfo => detail.$type === ErrorInfo.$type)!;

async function serve(script: ServicesScript = {}): Promise<ApiHarness> {
  return await ApiHarness.start(fakeServices(script));
}

describe('calls', () => {
  it('answer with what the services gave', async () => {
    await using api = await serve({ sandboxes: { create: async (spec) => ({ value: sandboxRecord({ name: spec.name }), mode: undefined, phases: [{ name: 'boot', offsetMs: 1, durationMs: 2 }] }) } });
    const answer = await api.sandboxes().createSandbox({ requestId: 'r1', spec: { name: 'web' } });
    expect(answer.sandbox).toMatchObject({ id: SANDBOX_ID, spec: { name: 'web' } });
    expect(answer.phases).toEqual([{ name: 'boot', offset: { seconds: 0n, nanos: 1_000_000 }, duration: { seconds: 0n, nanos: 2_000_000 } }]);
    expect(api.calls.map(({ method, code }) => [method, code])).toEqual([['vivarium.v1.SandboxService/CreateSandbox', 'OK']]);
  });

  it('tell several field errors at once, before any service is asked', async () => {
    await using api = await serve();
    const error = await failure(api.containers().createContainer({ sandboxId: 'sb', spec: { name: '-', env: ['x'], stopSignal: 'NOPE' } }));
    const bad = error.extra.find((detail): detail is BadRequest => detail.$type === BadRequest.$type)!;
    expect(error.code).toBe(Status.INVALID_ARGUMENT);
    expect(bad.fieldViolations.map(({ field }) => field)).toEqual(['spec.name', 'spec.rootfs', 'spec.env[0]', 'spec.stop_signal']);
    expect(infoOf(error)).toMatchObject({ reason: 'INVALID_REQUEST', domain: 'vivarium' });
    expect(api.calls.map(({ code }) => code)).toEqual(['INVALID_ARGUMENT']);
  });

  it('carry reason, remedy, ids and facts of a refusal', async () => {
    const refusal = new DomainError('CAPACITY_EXHAUSTED', 'no room', { sandboxId: SANDBOX_ID, remedy: 'wait', facts: { wanted_bytes: '5' } });
    await using api = await serve({ sandboxes: { create: async () => { throw refusal; } } });
    const error = await failure(api.sandboxes().createSandbox({ spec: {} }));
    expect([error.code, error.details]).toEqual([Status.RESOURCE_EXHAUSTED, 'no room']);
    expect(infoOf(error).metadata).toEqual({ sandbox_id: SANDBOX_ID, remedy: 'wait', wanted_bytes: '5' });
  });

  it('hide the words of a defect behind an id that the log has', async () => {
    await using api = await serve({ sandboxes: { get: () => { throw new TypeError('secret'); } } });
    const error = await failure(api.sandboxes().getSandbox({ sandboxId: 'sb' }));
    const id = infoOf(error).metadata['error_id'];
    const logged = api.logger.lines.find(({ level }) => level === 'error');
    expect(error.details).toBe(`internal error ${id}`);
    expect(logged?.fields).toMatchObject({ request: id, err: expect.any(TypeError) as TypeError });
  });

  it('refuse a message over 8 MiB and go on', async () => {
    await using api = await serve({ host: { images: async () => [] } });
    const client = api.containers();
    await expect(client.createContainer({ sandboxId: 'sb', spec: { args: ['x'.repeat(9 << 20)] } })).rejects.toMatchObject({ code: Status.RESOURCE_EXHAUSTED });
    expect(await api.host().listImages({})).toEqual({ images: [] });
  });
});

describe('cancellation', () => {
  const hanging = (): { script: ServicesScript; started: Promise<undefined>; reason: Promise<unknown> } => {
    const started = deferred<undefined>();
    const reason = deferred<unknown>();
    const create = async (_spec: unknown, { signal }: { signal?: AbortSignal | undefined }): Promise<never> => {
      started.resolve(undefined);
      return await new Promise<never>((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          reason.resolve(signal.reason);
          reject(signal.reason as Error);
        });
      });
    };
    return { script: { sandboxes: { create } }, started: started.promise, reason: reason.promise };
  };

  it('reaches the service when the caller gives up', async () => {
    const { script, started, reason } = hanging();
    await using api = await serve(script);
    const abort = new AbortController();
    const call = api.sandboxes().createSandbox({ spec: {} }, { signal: abort.signal });
    const outcome = expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await started;
    abort.abort();
    await outcome;
    expect(await reason).toMatchObject({ reason: 'CANCELLED' });
  });

  it('reaches the service when the connection dies', async () => {
    const { script, started, reason } = hanging();
    await using api = await serve(script);
    await using wire = await CuttableWire.open(join(api.directory, 'wire.sock'), api.socketPath);
    const call = api.clientOn(api.channel({}, wire.path), SandboxServiceDefinition).createSandbox({ spec: {} });
    const outcome = expect(call).rejects.toMatchObject({ code: Status.UNAVAILABLE });
    await started;
    wire.cut();
    await outcome;
    expect(await reason).toMatchObject({ reason: 'CANCELLED' });
  });
});

describe('events', () => {
  it('come filtered by what their text says, and losses always', async () => {
    const event = (type: 'CONTAINER_EXITED' | 'SANDBOX_READY', sandboxId: string): Extract<WatchedEvent, { kind: 'event' }> => ({
      kind: 'event', cursor: `c-${type}-${sandboxId}`, event: { type, atMs: 1, sandboxId, containerId: '', name: '', message: '', attributes: {} },
    });
    const watch = async function* (): AsyncGenerator<WatchedEvent> {
      yield event('SANDBOX_READY', SANDBOX_ID);
      yield { kind: 'lost', afterCursor: '3', nextCursor: '9' };
      yield event('SANDBOX_READY', 'f'.repeat(32));
      yield event('CONTAINER_EXITED', SANDBOX_ID);
    };
    await using api = await serve({ events: { watch } });
    const cases: string[] = [];
    for await (const { message } of api.events().watchEvents({ sandboxId: SANDBOX_ID.slice(-10), types: [EventType.EVENT_TYPE_SANDBOX_READY] })) {
      cases.push(message?.$case === 'event' ? message.value.cursor : message?.$case ?? '');
    }
    expect(cases).toEqual([`c-SANDBOX_READY-${SANDBOX_ID}`, 'lost']);
  });
});
