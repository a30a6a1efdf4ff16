import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { digestOf, messagesOf, REQUEST_METHODS } from '../../../../src/daemon/api/request-methods.ts';
import { ContainerServiceDefinition, type ExecResponse } from '../../../../src/gen/vivarium/v1/container.ts';
import { EventServiceDefinition } from '../../../../src/gen/vivarium/v1/event.ts';
import { DeviceServiceDefinition } from '../../../../src/gen/vivarium/v1/device.ts';
import { GuestServiceDefinition } from '../../../../src/gen/vivarium/v1/guest.ts';
import { HostServiceDefinition } from '../../../../src/gen/vivarium/v1/host.ts';
import { ImageServiceDefinition } from '../../../../src/gen/vivarium/v1/image.ts';
import { VolumeServiceDefinition } from '../../../../src/gen/vivarium/v1/volume.ts';
import { CreateSandboxRequest, SandboxServiceDefinition } from '../../../../src/gen/vivarium/v1/sandbox.ts';
import { ApiWorld, type UnaryMethod } from '../../../fakes/api-world.ts';
import { World } from '../../../fakes/world.ts';

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}

interface Method {
  readonly name: string;
  readonly requestType: { fromPartial(partial: object): object };
  readonly requestStream: boolean;
}

const SERVICES: readonly { readonly fullName: string; readonly methods: Readonly<Record<string, Method>> }[] = [
  SandboxServiceDefinition, ContainerServiceDefinition, DeviceServiceDefinition, EventServiceDefinition, HostServiceDefinition, GuestServiceDefinition, ImageServiceDefinition, VolumeServiceDefinition,
];
const ALL = SERVICES.flatMap(({ fullName, methods }) => Object.values(methods).map((method) => ({ path: `/${fullName}/${method.name}`, method })));

/** A request, or the first message of a stream, has the field. */
function hasRequestId({ requestType, requestStream }: Method): boolean {
  if (!requestStream) return 'requestId' in requestType.fromPartial({});
  const { message } = requestType.fromPartial({ message: { $case: 'start', value: {} } }) as { message?: { value: object } };
  return message !== undefined && 'requestId' in message.value;
}

/** Those that change nothing, and those that set what they set, however often. */
const WITHOUT_ID = [
  /\/(Get|List|Wait|Watch)[A-Z]\w*$/, /\/RunDoctor$/, /\/ExplainVfio$/, /\/Console$/,
  // Sets a size; the last one counts.
  /\/ResizeContainerTty$/,
];

describe('the methods', () => {
  it('with a request id are all carried out once, and there is no rule for another', () => {
    expect(ALL.filter(({ method }) => hasRequestId(method)).map(({ path }) => path).sort()).toEqual(Object.keys(REQUEST_METHODS).sort());
  });

  it('without one are known to need none', () => {
    expect(ALL.filter(({ path, method }) => !hasRequestId(method) && !WITHOUT_ID.some((pattern) => pattern.test(path)))).toEqual([]);
  });
});

describe('the digest of a request', () => {
  const digest = (fields: Parameters<typeof CreateSandboxRequest.fromPartial>[0]): string =>
    digestOf(messagesOf('/vivarium.v1.SandboxService/CreateSandbox').request, CreateSandboxRequest.fromPartial(fields));

  it('is the same for another id and another order of a map', () => {
    expect(digest({ requestId: 'a', spec: { labels: { x: '1', y: '2' } } })).toBe(digest({ requestId: 'b', spec: { labels: { y: '2', x: '1' } } }));
  });

  it('is another one for anything else', () => {
    const different = [{}, { spec: {} }, { spec: { name: 'a' } }, { spec: { labels: { a: 'b' } } }, { spec: { annotations: { a: 'b' } } }, { spec: { labels: { b: 'a' } } }];
    expect(new Set(different.map(digest)).size).toBe(different.length);
  });
});

async function sandbox(): Promise<ApiWorld> {
  const api = new ApiWorld(new World());
  await api.call('createSandbox', { requestId: 'sb', spec: { name: 'sb' } });
  return api;
}

const SPEC = { name: 'ctr', rootfs: { $case: 'image', value: 'busybox' }, args: ['sh'] };

async function container(): Promise<ApiWorld> {
  const api = await sandbox();
  await api.call('createContainer', { requestId: 'ctr', sandboxId: 'sb', spec: SPEC });
  return api;
}

async function running(): Promise<ApiWorld> {
  const api = await container();
  await api.call('startContainer', { requestId: 'start', containerId: 'ctr' });
  return api;
}

async function after(make: () => Promise<ApiWorld>, method: UnaryMethod, fields: Readonly<Record<string, unknown>>): Promise<ApiWorld> {
  const api = await make();
  await api.call(method, { requestId: `before-${method}`, ...fields });
  return api;
}

const SANDBOX = { sandboxId: 'sb' };
const CONTAINER = { containerId: 'ctr' };

interface Case {
  readonly method: UnaryMethod;
  readonly prepare: () => Promise<ApiWorld>;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The event that says that it was done. */
  readonly event: string;
  /** Operations of the world at which the daemon may be killed in the middle. */
  readonly holds: readonly string[];
}

const CASES: readonly Case[] = [
  { method: 'createSandbox', prepare: async () => new ApiWorld(new World()), fields: { spec: { name: 'web' } }, event: 'SANDBOX_READY', holds: ['save', 'share', 'launch', 'agent', 'guest'] },
  { method: 'startSandbox', prepare: async () => await after(container, 'stopSandbox', SANDBOX), fields: SANDBOX, event: 'CONTAINER_STARTED', holds: ['launch', 'agent', 'agent-create', 'agent-start'] },
  { method: 'stopSandbox', prepare: sandbox, fields: SANDBOX, event: 'SANDBOX_STOPPED', holds: ['share-remove', 'remove'] },
  { method: 'deleteSandbox', prepare: sandbox, fields: { ...SANDBOX, force: true }, event: 'SANDBOX_DELETED', holds: ['share-remove', 'remove'] },
  { method: 'pauseSandbox', prepare: sandbox, fields: SANDBOX, event: 'SANDBOX_PAUSED', holds: [] },
  { method: 'resumeSandbox', prepare: async () => await after(sandbox, 'pauseSandbox', SANDBOX), fields: SANDBOX, event: 'SANDBOX_RESUMED', holds: [] },
  { method: 'updateSandbox', prepare: sandbox, fields: { ...SANDBOX, labels: { a: 'b' } }, event: 'SANDBOX_UPDATED', holds: ['save'] },
  { method: 'createContainer', prepare: sandbox, fields: { ...SANDBOX, spec: SPEC }, event: 'CONTAINER_CREATED', holds: ['save', 'rootfs', 'agent-create'] },
  { method: 'startContainer', prepare: container, fields: CONTAINER, event: 'CONTAINER_STARTED', holds: ['agent-start'] },
  { method: 'stopContainer', prepare: running, fields: CONTAINER, event: 'CONTAINER_EXITED', holds: ['save'] },
  { method: 'deleteContainer', prepare: running, fields: { ...CONTAINER, force: true }, event: 'CONTAINER_DELETED', holds: ['save'] },
  { method: 'pauseContainer', prepare: running, fields: CONTAINER, event: 'CONTAINER_PAUSED', holds: ['save'] },
  { method: 'resumeContainer', prepare: async () => await after(running, 'pauseContainer', CONTAINER), fields: CONTAINER, event: 'CONTAINER_RESUMED', holds: ['save'] },
];

describe.each(CASES)('$method with one request id', ({ method, prepare, fields, event, holds }) => {
  it('is done once, and answered the same, also by the next daemon', async () => {
    const api = await prepare();
    const before = api.count(event);
    const request = { requestId: 'r', ...fields };
    const answers = await Promise.all([api.call(method, request), api.call(method, request)]);
    answers.push(await api.call(method, request));
    const done = api.count(event) - before;
    await api.restart();
    answers.push(await api.call(method, request));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(done).toBe(1);
  });

  it('is refused with another body', async () => {
    const api = await prepare();
    await api.call(method, { requestId: 'r', ...fields });
    const other = 'spec' in fields ? { ...fields, spec: { ...(fields['spec'] as object), labels: { other: 'body' } } } : { ...fields, ...('sandboxId' in fields ? { sandboxId: 'other' } : { containerId: 'other' }) };
    await expect(api.call(method, { requestId: 'r', ...other })).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT' });
  });

  it('was done when the daemon was killed before it wrote that down: it is not done again', async () => {
    const api = await prepare();
    const before = api.count(event);
    await api.call(method, { requestId: 'r', ...fields });
    expect(api.count(event) - before).toBe(1);
    for (const loses of [true, false]) {
      api.losesOutcomes = loses;
      await api.restart();
      // What recovery finds it tells as well.
      await settle();
      const found = api.count(event);
      await api.call(method, { requestId: 'r', ...fields });
      expect([api.count(event) - found, api.world.vms.size]).toEqual([0, 1]);
    }
  });

  it.each(holds)('is finished when it comes again after a kill in the middle, at "%s"', async (held) => {
    const api = await prepare();
    const before = api.count(event);
    api.world.hold(held);
    api.call(method, { requestId: 'r', ...fields }).catch(() => undefined);
    await settle();
    expect(api.count(event) - before).toBe(0);
    await api.restart();
    await api.call(method, { requestId: 'r', ...fields });
    expect(api.count(event) - before).toBe(1);
  });
});

describe('a create', () => {
  it('answers its id after a delete as it did before', async () => {
    const api = await sandbox();
    const first = await api.call('createSandbox', { requestId: 'sb', spec: { name: 'sb' } });
    await api.call('deleteSandbox', { requestId: 'd', ...SANDBOX, force: true });
    await api.restart();
    expect(await api.call('createSandbox', { requestId: 'sb', spec: { name: 'sb' } })).toEqual(first);
    expect(api.world.disk.size).toBe(0);
  });

  it('that a kill cut short after its sandbox stood is answered even if that was deleted since', async () => {
    const api = await sandbox();
    api.losesOutcomes = true;
    await api.restart();
    await settle();
    await api.call('deleteSandbox', { requestId: 'd', ...SANDBOX, force: true });
    await expect(api.call('createSandbox', { requestId: 'sb', spec: { name: 'sb' } })).resolves.toMatchObject({ sandbox: { spec: { name: 'sb' } } });
    expect(() => api.services.sandboxes.get('sb')).toThrow('no such sandbox');
  });

  it('is rolled back when the last of its callers has gone, not before', async () => {
    const api = new ApiWorld(new World());
    const callers = [new AbortController(), new AbortController()] as const;
    api.world.hold('agent');
    const calls = callers.map(async ({ signal }) => await api.call('createSandbox', { requestId: 'r', spec: { name: 'web' } }, signal));
    calls.forEach((call) => { call.catch(() => undefined); });
    await settle();
    callers[0].abort(new DomainError('CANCELLED', 'left'));
    await settle();
    expect(api.world.disk.size).toBe(1);
    callers[1].abort(new DomainError('CANCELLED', 'left too'));
    await expect(calls[1]).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(api.world.disk.size).toBe(0);
  });
});

describe('a delete by name', () => {
  it('that comes again does not hit what has the name since', async () => {
    const api = await sandbox();
    await api.call('deleteSandbox', { requestId: 'd', ...SANDBOX, force: true });
    api.losesOutcomes = true;
    await api.restart();
    await api.call('createSandbox', { requestId: 'sb2', spec: { name: 'sb' } });
    expect(await api.call('deleteSandbox', { requestId: 'd', ...SANDBOX, force: true })).toEqual({ phases: [] });
    expect(api.services.sandboxes.get('sb').state).toBe('ready');
  });

  it('of what was never there stays an error', async () => {
    const api = new ApiWorld(new World());
    for (let time = 0; time < 2; time += 1) await expect(api.call('deleteSandbox', { requestId: 'd', sandboxId: 'nobody' })).rejects.toMatchObject({ reason: 'SANDBOX_NOT_FOUND' });
  });
});

describe('a start', () => {
  it('of a container that has ended since is not done again', async () => {
    const api = await running();
    api.losesOutcomes = true;
    const [process] = [...api.vm.processes.values()];
    api.vm.act(process?.key.containerId ?? '', { exit: 0 });
    await settle();
    await api.restart();
    await expect(api.call('startContainer', { requestId: 'start', ...CONTAINER })).resolves.toMatchObject({ container: { exit: { code: 0 } } });
    expect(api.count('CONTAINER_STARTED')).toBe(1);
  });
});

describe('a signal', () => {
  const kill = { requestId: 'k', ...CONTAINER, signal: 'SIGUSR1' };

  it('is sent once', async () => {
    const api = await running();
    const signals: number[] = [];
    api.vm.ignored.add(10);
    api.vm.ignored.has = (signal) => { signals.push(signal); return signal === 10; };
    await Promise.all([api.call('killContainer', kill), api.call('killContainer', kill)]);
    await api.call('killContainer', kill);
    expect(signals).toEqual([10]);
  });

  it('whose sending nobody saw is not sent again, and says so', async () => {
    const api = await running();
    api.vm.ignored.add(10);
    await api.call('killContainer', kill);
    api.losesOutcomes = true;
    await api.restart();
    await expect(api.call('killContainer', kill)).rejects.toMatchObject({ reason: 'REQUEST_OUTCOME_UNKNOWN', details: { facts: { request_id: 'k' } } });
  });
});

describe('an exec', () => {
  const start = { requestId: 'e', ...CONTAINER, command: ['sh'] };

  async function started(stream: AsyncIterator<ExecResponse>): Promise<string> {
    const { value } = await stream.next() as { value: ExecResponse };
    return value.message?.$case === 'started' ? value.message.value.execId : expect.fail('not started');
  }

  function execs(api: ApiWorld): number {
    return [...api.vm.processes.values()].filter(({ key }) => key.execId !== undefined).length;
  }

  it('started twice is one process, and the second takes over its streams', async () => {
    const api = await running();
    const ids = [await started(api.exec(start)), await started(api.exec(start))];
    expect([new Set(ids).size, execs(api)]).toEqual([1, 1]);
  });

  it('started twice at once is one process', async () => {
    const api = await running();
    const ids = await Promise.all([started(api.exec(start)), started(api.exec(start))]);
    expect([new Set(ids).size, execs(api)]).toEqual([1, 1]);
  });

  it('with another command is refused', async () => {
    const api = await running();
    await started(api.exec(start));
    await expect(started(api.exec({ ...start, command: ['ls'] }))).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT' });
  });

  it.each([false, true])('is the same process for the next daemon, whether or not its start was written down (lost: %s)', async (lost) => {
    const api = await running();
    const first = await started(api.exec(start));
    api.losesOutcomes = lost;
    await api.restart();
    await settle();
    expect([await started(api.exec(start)), execs(api)]).toEqual([first, 1]);
  });

  it('that was not started when the daemon was killed is started', async () => {
    const api = await running();
    api.world.hold('agent-exec');
    started(api.exec(start)).catch(() => undefined);
    await settle();
    expect(execs(api)).toBe(0);
    await api.restart();
    await settle();
    await started(api.exec(start));
    expect(execs(api)).toBe(1);
  });
});
