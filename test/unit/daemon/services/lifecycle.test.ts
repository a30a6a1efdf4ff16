import { describe, expect, it } from 'vitest';
import { deferred } from '../../../../src/base/abort.ts';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { StreamEvent } from '../../../../src/daemon/services/facade.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

function onlyVm(world: World): FakeVm {
  const [vm] = world.vms.values();
  if (vm === undefined) throw new Error('no VM');
  return vm;
}

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}

async function runningContainer(services: TestServices, change: Parameters<typeof containerSpec>[0] = {}): Promise<{ sandboxId: string; containerId: string }> {
  const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const { value } = await services.containers.create(sandbox.id, containerSpec({ name: 'ctr', ...change }), CALL);
  await services.containers.start('ctr', CALL);
  return { sandboxId: sandbox.id, containerId: value.container.id };
}

async function text(events: AsyncIterable<StreamEvent>): Promise<{ output: string; code: number | undefined }> {
  let output = '';
  for await (const event of events) {
    if (event.kind === 'exit') return { output, code: event.exit.code };
    if (event.kind === 'stdout') output += new TextDecoder().decode(event.data);
  }
  return { output, code: undefined };
}

describe('a sandbox', () => {
  it('is on disk before its VM exists, and ready after its guest answered', async () => {
    const world = new World();
    const { sandboxes } = world.services();
    const release = world.hold('share');
    const creating = sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    await settle();
    expect([...world.disk.values()].map((record) => record.state)).toEqual(['creating']);
    expect([...world.disk.values()][0]?.resources.map((resource) => resource.kind)).toContain('launcher');
    release();
    const { value, mode, phases } = await creating;
    expect(value.state).toBe('ready');
    expect(mode).toMatchObject({ accelerator: 'tcg', rootfs: 'virtiofs', agent: 'viv-agent' });
    expect(phases.map((phase) => phase.name)).toEqual(expect.arrayContaining(['admission', 'share', 'vmm', 'agent', 'guest', 'total']));
  });

  it.each(['share', 'launch', 'agent', 'guest'])('leaves nothing when %s fails', async (step) => {
    const world = new World();
    const { sandboxes } = world.services();
    world.failures.set(step, new DomainError('VMM_FAILED', 'broken'));
    await expect(sandboxes.create(sandboxSpec({ name: 'sb' }), CALL)).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    expect(world.disk.size).toBe(0);
    expect(world.shares.size).toBe(0);
    expect([...world.vms.values()].filter((vm) => vm.alive)).toEqual([]);
    world.failures.clear();
    await expect(sandboxes.create(sandboxSpec({ name: 'sb' }), CALL)).resolves.toMatchObject({ value: { state: 'ready' } });
  });

  it('stays failed, with its record, when a create can not be undone', async () => {
    const world = new World();
    const { sandboxes } = world.services();
    world.failures.set('guest', new DomainError('AGENT_REFUSED', 'broken'));
    world.failures.set('share-remove', new Error('busy'));
    await expect(sandboxes.create(sandboxSpec({ name: 'sb' }), CALL)).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
    expect(sandboxes.get('sb')).toMatchObject({ state: 'failed' });
    world.failures.clear();
    await sandboxes.delete('sb', { force: false }, CALL);
    expect(world.disk.size).toBe(0);
  });

  it('is rolled back when its caller goes away before it is ready', async () => {
    const world = new World();
    const { sandboxes } = world.services();
    world.hold('agent');
    const caller = new AbortController();
    const creating = expect(sandboxes.create(sandboxSpec(), { ...CALL, signal: caller.signal })).rejects.toMatchObject({ reason: 'CANCELLED' });
    await settle();
    caller.abort(new DomainError('CANCELLED', 'gone'));
    await creating;
    expect(world.disk.size + world.shares.size).toBe(0);
  });

  it('says what its VM died of when it dies during boot', async () => {
    const world = new World();
    const { sandboxes } = world.services();
    world.hold('agent');
    const creating = expect(sandboxes.create(sandboxSpec(), CALL)).rejects.toMatchObject({ reason: 'VMM_EXITED', details: { facts: { console: 'last words\n' } } });
    await settle();
    onlyVm(world).end({ kind: 'exited', code: 1, signal: 0, atMs: 0, stderrTail: 'bad option', cpuMs: 0, maxRssKib: 0 });
    await creating;
    expect(world.disk.size).toBe(0);
  });

  it('refuses a name that is taken and leaves the other alone', async () => {
    const world = new World();
    const { sandboxes } = world.services();
    await sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    await expect(sandboxes.create(sandboxSpec({ name: 'sb' }), CALL)).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
    expect(sandboxes.get('sb').state).toBe('ready');
  });

  it('is not created when its intent can not be written', async () => {
    const world = new World();
    const { sandboxes } = world.services();
    world.failures.set('save', new DomainError('STORAGE_FULL', 'disk full'));
    await expect(sandboxes.create(sandboxSpec({ name: 'sb' }), CALL)).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    expect(world.vms.size).toBe(0);
    expect(() => sandboxes.get('sb')).toThrow('no such sandbox');
  });

  it('lives on when a later record can not be written, and the record follows', async () => {
    const world = new World();
    const services = world.services();
    const { containerId } = await runningContainer(services);
    world.failures.set('save', new DomainError('STORAGE_FULL', 'disk full'));
    onlyVm(world).act(containerId, { exit: 0 });
    await settle();
    expect(services.containers.get('ctr').container.state).toBe('exited');
    expect(onlyVm(world).alive).toBe(true);
    world.failures.clear();
    await world.clock.advance(1000);
    await settle();
    expect([...world.disk.values()][0]?.containers[0]?.state).toBe('exited');
  });

  it.each([
    [{ kind: 'guest-panic', detail: 'Attempted to kill init' }, 'GUEST_PANIC'],
    [{ kind: 'guest-shutdown', reason: 'guest-shutdown' }, 'GUEST_SHUTDOWN'],
    [{ kind: 'guest-reboot' }, 'GUEST_REBOOT'],
  ] as const)('names the first cause when the VM tells %o', async (event, cause) => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    onlyVm(world).tell(event);
    await settle();
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause });
    expect(services.containers.get('ctr').container).toMatchObject({ state: 'exited', exit: { cause, code: 255 } });
  });

  it('stops with grace, and runs again what ran', async () => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    await services.sandboxes.stop('sb', { force: false, graceMs: undefined }, CALL);
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'OPERATOR_STOP' });
    expect(services.containers.get('ctr').container.exit).toMatchObject({ code: 143, signal: 15 });
    const { startedContainerIds, value } = await services.sandboxes.start('sb', CALL);
    expect(startedContainerIds).toHaveLength(1);
    expect(value).toMatchObject({ state: 'running', cause: undefined });
  });

  it.each(['stop/containers/before', 'stop/containers/after', 'stop/guest/before'])('ends all the same when its graceful part fails at %s', async (point) => {
    const world = new World();
    world.failpoints = { reach: (reached) => (reached === point ? Promise.reject(new DomainError('HOST_RESOURCE', 'broken')) : undefined) };
    const services = world.services();
    await runningContainer(services);
    await services.sandboxes.stop('sb', { force: false, graceMs: undefined }, CALL);
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'OPERATOR_STOP' });
    expect(onlyVm(world).alive).toBe(false);
  });

  it('has the pid of a container\'s first process in the guest while it runs', async () => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    expect(services.containers.get('ctr').container.guestPid).toBe(7);
    await services.sandboxes.stop('sb', { force: false, graceMs: undefined }, CALL);
    expect(services.containers.get('ctr').container.guestPid).toBe(0);
    await services.sandboxes.start('sb', CALL);
    expect(services.containers.get('ctr').container.guestPid).toBe(7);
  });

  it('kills after the grace what does not listen', async () => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    onlyVm(world).ignored.add(15);
    const stopping = services.containers.stop('ctr', 3000, CALL);
    await settle();
    expect(services.containers.get('ctr').container.state).toBe('stopping');
    await world.clock.advance(3000);
    await expect(stopping).resolves.toMatchObject({ value: { container: { state: 'exited', exit: { signal: 9 } } } });
  });

  it('refuses an exec while it is paused, and can be deleted then', async () => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    await services.sandboxes.pause('sb', CALL);
    const exec = { command: ['true'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false };
    await expect(services.containers.exec('ctr', exec, CALL)).rejects.toMatchObject({ reason: 'WRONG_STATE', details: { remedy: 'resume the sandbox first' } });
    await services.sandboxes.delete('sb', { force: true }, CALL);
    expect(world.disk.size).toBe(0);
    expect(onlyVm(world).alive).toBe(false);
  });

  it('resumes to what it was', async () => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    await services.sandboxes.pause('sb', CALL);
    await services.sandboxes.resume('sb', CALL);
    expect(services.sandboxes.get('sb').state).toBe('running');
  });
});

describe('streams', () => {
  it('hand an attached client every byte, then the exit', async () => {
    const world = new World();
    const services = world.services();
    const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    const { value } = await services.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
    const stream = await services.containers.attach('ctr', { stdin: false, replay: true, from: undefined, start: true }, CALL);
    const reading = text(stream.output);
    onlyVm(world).act(value.container.id, { write: 'one ' });
    await settle();
    onlyVm(world).act(value.container.id, { write: 'two', exit: 7 });
    await expect(reading).resolves.toEqual({ output: 'one two', code: 7 });
  });

  it('tell a resuming exec what it already acknowledged away', async () => {
    const world = new World();
    const services = world.services();
    const { containerId } = await runningContainer(services);
    const exec = { command: ['cat'], env: [], workingDir: '', user: '', tty: false, stdin: true, ttySize: undefined, privileged: false };
    const first = await services.containers.exec('ctr', exec, CALL);
    onlyVm(world).act(containerId, { execId: first.execId, write: '0123456789' });
    const [chunk] = await take(first.output, 1);
    expect(chunk).toMatchObject({ kind: 'stdout', offset: 0n });
    first.ack({ stdout: 10n, stderr: 0n });
    first[Symbol.dispose]();
    const second = await services.containers.resumeExec(first.execId, { stdout: 4n, stderr: 0n }, {});
    onlyVm(world).act(containerId, { execId: first.execId, write: 'abc', exit: 0 });
    await expect(take(second.output, 3)).resolves.toMatchObject([{ kind: 'lost', from: 4n, to: 10n }, { kind: 'stdout', offset: 10n }, { kind: 'exit' }]);
  });

  it('tell an exec whose VM dies the cause, as its last message', async () => {
    const world = new World();
    const services = world.services();
    await runningContainer(services);
    const exec = { command: ['x'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false };
    const stream = await services.containers.exec('ctr', exec, CALL);
    const reading = take(stream.output, 1);
    await settle();
    onlyVm(world).end();
    await expect(reading).resolves.toMatchObject([{ kind: 'exit', exit: { code: 255, cause: 'VMM_CRASH' } }]);
  });

  it('let an exec without a client run on after a minute', async () => {
    const world = new World();
    const services = world.services();
    const { containerId } = await runningContainer(services);
    const exec = { command: ['x'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false };
    const stream = await services.containers.exec('ctr', exec, CALL);
    stream[Symbol.dispose]();
    onlyVm(world).act(containerId, { execId: stream.execId, write: 'abc' });
    await settle();
    expect(onlyVm(world).processes.get(`${containerId}/${stream.execId}`)?.acked).toBe(0n);
    await world.clock.advance(60_000);
    await settle();
    expect(onlyVm(world).processes.get(`${containerId}/${stream.execId}`)?.acked).toBe(3n);
  });

  it('remove a container that was to be removed, once its reader has left', async () => {
    const world = new World();
    const services = world.services();
    const { sandboxId, containerId } = await runningContainer(services, { autoRemove: true });
    const stream = await services.containers.attach('ctr', { stdin: false, replay: true, from: undefined, start: false }, CALL);
    onlyVm(world).act(containerId, { write: 'x', exit: 0 });
    await text(stream.output);
    await settle();
    expect(services.sandboxes.get(sandboxId).containers).toHaveLength(1);
    stream[Symbol.dispose]();
    await settle();
    expect(services.sandboxes.get(sandboxId).containers).toHaveLength(0);
  });
});

describe('a daemon that comes back', () => {
  it('finds the same containers running, and goes on with their output', async () => {
    const world = new World();
    const { containerId } = await runningContainer(world.services());
    onlyVm(world).act(containerId, { write: 'before ' });
    await settle();
    const again = world.services();
    const { settled } = await again.recovery.begin();
    await settled;
    expect(again.sandboxes.get('sb').state).toBe('running');
    const stream = await again.containers.attach('ctr', { stdin: false, replay: true, from: undefined, start: false }, CALL);
    onlyVm(world).act(containerId, { write: 'after', exit: 3 });
    await expect(text(stream.output)).resolves.toEqual({ output: 'before after', code: 3 });
  });

  it('undoes a create that was under way', async () => {
    const world = new World();
    world.hold('agent');
    void world.services().sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    await settle();
    expect(world.disk.size).toBe(1);
    const again = world.services();
    const { settled } = await again.recovery.begin();
    await settled;
    expect(world.disk.size).toBe(0);
    expect(world.shares.size).toBe(0);
  });

  it('has ended when its first process did so before its start was recorded', async () => {
    const world = new World();
    const answered = deferred<undefined>();
    world.failpoints = { reach: (point) => (point === 'container-start/agent_start/after' ? answered.promise : undefined) };
    const services = world.services();
    const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    const { value } = await services.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
    const starting = services.containers.start('ctr', CALL);
    await settle();
    onlyVm(world).act(value.container.id, { exit: 3 });
    await settle();
    answered.resolve(undefined);
    await starting;
    await expect(services.containers.wait('ctr', {})).resolves.toMatchObject({ code: 3 });
    expect(services.containers.get('ctr').container.state).toBe('exited');
  });

  it('goes on with the stop of a container that was under way', async () => {
    const world = new World();
    const first = world.services();
    await runningContainer(first);
    world.failpoints = { reach: (point) => (point === 'container-stop/stop/before' ? new Promise(() => undefined) : undefined) };
    const killed = world.services();
    await (await killed.recovery.begin()).settled;
    void killed.containers.stop('ctr', undefined, CALL);
    await settle();
    expect([...world.disk.values()][0]?.containers[0]?.state).toBe('stopping');
    world.failpoints = undefined;
    const again = world.services();
    await (await again.recovery.begin()).settled;
    await settle();
    expect(again.containers.get('ctr').container).toMatchObject({ state: 'exited', exit: { code: 143 } });
  });

  it.each(['pause', 'resume'] as const)('believes the guest about the %s of a container that nobody could write down', async (verb) => {
    const world = new World();
    const first = world.services();
    await runningContainer(first);
    if (verb === 'resume') await first.containers.pause('ctr', CALL);
    world.failpoints = { reach: (point) => (point.startsWith('container-') && point.endsWith('/after') ? new Promise(() => undefined) : undefined) };
    const killed = world.services();
    await (await killed.recovery.begin()).settled;
    void killed.containers[verb]('ctr', CALL);
    await settle();
    world.failpoints = undefined;
    const again = world.services();
    await (await again.recovery.begin()).settled;
    expect(again.containers.get('ctr').container.state).toBe(verb === 'pause' ? 'paused' : 'running');
  });

  it('settles a sandbox whose host was restarted', async () => {
    const world = new World();
    await runningContainer(world.services());
    onlyVm(world).alive = false;
    world.bootId = 'boot-2';
    const again = world.services();
    const { settled } = await again.recovery.begin();
    await settled;
    expect(again.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'HOST_REBOOT' });
  });

  it('answers at once and says that it does not know yet', async () => {
    const world = new World();
    await runningContainer(world.services());
    const release = world.hold('agent');
    const again = world.services();
    const { settled } = await again.recovery.begin();
    expect(again.sandboxes.get('sb').state).toBe('recovering');
    await expect(again.sandboxes.stop('sb', { force: false, graceMs: 0 }, CALL)).rejects.toMatchObject({ reason: 'RECOVERING' });
    release();
    await settled;
    expect(again.sandboxes.get('sb').state).toBe('running');
  });
});

async function take(events: AsyncIterable<StreamEvent>, count: number): Promise<StreamEvent[]> {
  const taken: StreamEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}
