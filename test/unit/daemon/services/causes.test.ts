import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { Cause, ExitStatus } from '../../../../src/core/model/outcome.ts';
import type { ProcessEnd } from '../../../../src/core/ports/host.ts';
import type { ProcessStream } from '../../../../src/daemon/services/facade.ts';
import { containerSpec, profile, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const LIMIT_MS = 60_000;

async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}

function end(change: Partial<ProcessEnd> & Pick<ProcessEnd, 'kind'>): ProcessEnd {
  return { code: 0, signal: 0, atMs: 0, stderrTail: '', cpuMs: 0, maxRssKib: 0, ...change };
}

interface Scene {
  readonly world: World;
  readonly services: TestServices;
  readonly vm: FakeVm;
  readonly containerId: string;
  readonly exec: ProcessStream;
}

/** A sandbox with a container that runs, and an exec in it. */
async function scene(): Promise<Scene> {
  const world = new World();
  world.profile = profile({ vmmHungTimeoutMs: LIMIT_MS, agentLostTimeoutMs: LIMIT_MS });
  const services = world.services();
  const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const { value } = await services.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
  await services.containers.start('ctr', CALL);
  const exec = await services.containers.exec('ctr', { command: ['x'], env: [], workingDir: '', user: '', tty: false, ttySize: undefined, stdin: false, privileged: false }, CALL);
  const [vm] = world.vms.values();
  if (vm === undefined) throw new Error('no VM');
  return { world, services, vm, containerId: value.container.id, exec };
}

async function exitOf(stream: ProcessStream): Promise<ExitStatus | undefined> {
  for await (const event of stream.output) if (event.kind === 'exit') return event.exit;
  return undefined;
}

/** What ends a sandbox's VM while it runs, and takes container and exec with it. */
const ENDS_A_VM = {
  OPERATOR_STOP: async ({ services }: Scene) => { await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL); },
  GUEST_SHUTDOWN: async ({ vm }: Scene) => { vm.tell({ kind: 'guest-shutdown', reason: 'guest-shutdown' }); },
  GUEST_REBOOT: async ({ vm }: Scene) => { vm.tell({ kind: 'guest-reboot' }); },
  GUEST_PANIC: async ({ vm }: Scene) => { vm.tell({ kind: 'guest-panic', detail: 'init died' }); },
  HOST_OOM_KILL: async ({ world, vm }: Scene) => {
    for (const place of world.cgroups.keys()) world.cgroups.set(place, 1);
    vm.end(end({ kind: 'signalled', signal: 9 }));
  },
  VMM_CRASH: async ({ vm }: Scene) => { vm.end(end({ kind: 'signalled', signal: 11 })); },
  VMM_EXIT: async ({ vm }: Scene) => { vm.end(end({ kind: 'exited', code: 1 })); },
  VMM_HUNG: async ({ world, vm }: Scene) => {
    vm.tell({ kind: 'monitor-lost', detail: 'mute' });
    await world.clock.advance(LIMIT_MS);
  },
  AGENT_LOST: async ({ world }: Scene) => {
    world.healthOf?.('mute');
    await world.clock.advance(LIMIT_MS);
  },
  VIRTIOFSD_LOST: async ({ world }: Scene) => {
    world.shareEnd.resolve(end({ kind: 'signalled', signal: 11 }));
    await settle();
    await world.clock.advance(1000);
  },
  UNKNOWN: async ({ vm }: Scene) => { vm.end(end({ kind: 'unknown' })); },
} as const satisfies Partial<Record<Cause, (scene: Scene) => Promise<void>>>;

/** What ends otherwise; each has its test below or elsewhere. */
const ENDS_OTHERWISE = {
  CONTAINER_EXIT: 'a container',
  GUEST_OOM: 'a container',
  BOOT_TIMEOUT: 'a boot',
  RESOURCE_FAILURE: 'a boot',
  HOST_REBOOT: 'found by recovery',
  REAPED: 'an orphan: audit.test.ts',
} as const satisfies Partial<Record<Cause, string>>;

/** Nothing of today's code ends anything for these. */
const LATER = { IDENTITY_GATE_FAILED: true, TTL: true, IDLE: true } as const satisfies Partial<Record<Cause, true>>;

// A cause that is in none of the three tables does not compile.
const ALL: Readonly<Record<Cause, unknown>> = { ...ENDS_A_VM, ...ENDS_OTHERWISE, ...LATER };

function told(world: World, type: string): readonly (Cause | undefined)[] {
  return world.events.filter((event) => event.type === type).map(({ cause }) => cause);
}

describe('causes', () => {
  it('are each in one table', () => {
    expect(Object.keys(ALL)).toHaveLength(Object.keys(ENDS_A_VM).length + Object.keys(ENDS_OTHERWISE).length + Object.keys(LATER).length);
  });

  it.each(Object.entries(ENDS_A_VM))('%s is what sandbox, container, exec, their waits, events and figures say', async (cause, happen) => {
    const at = await scene();
    const { world, services } = at;
    const waits = { sandbox: services.sandboxes.wait('sb', {}), container: services.containers.wait('ctr', {}), exec: exitOf(at.exec) };
    await settle();
    await happen(at);
    await settle();
    await world.clock.advance(1000);
    expect(await waits.sandbox).toMatchObject({ state: 'stopped', cause });
    expect(await waits.container).toMatchObject({ cause, code: 255 });
    expect(await waits.exec).toMatchObject({ cause, code: 255 });
    await settle();
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause });
    expect(services.containers.get('ctr').container.exit).toMatchObject({ cause });
    expect([...world.disk.values()][0]).toMatchObject({ cause, containers: [{ exit: { cause } }] });
    expect(told(world, 'SANDBOX_STOPPING')).toEqual([cause]);
    expect(told(world, 'SANDBOX_STOPPED')).toEqual([cause]);
    expect(told(world, 'CONTAINER_EXITED')).toEqual([cause]);
    expect(told(world, 'EXEC_EXITED')).toEqual([cause]);
    expect([...world.ended].sort()).toEqual([`container ${cause}`, `exec ${cause}`, `sandbox ${cause}`]);
  });

  it('of a container alone are its own, and its sandbox goes on', async () => {
    const { world, services, vm, containerId } = await scene();
    vm.act(containerId, { exit: 137, oomKilled: true });
    await settle();
    expect(services.containers.get('ctr').container.exit).toMatchObject({ cause: 'GUEST_OOM', code: 137, oomKilled: true });
    expect(told(world, 'CONTAINER_EXITED')).toEqual(['GUEST_OOM']);
    expect(world.ended).toEqual(['container GUEST_OOM']);
    expect(services.sandboxes.get('sb').state).toBe('running');
  });

  it.each([
    ['by itself', async ({ vm, containerId }: Scene) => { vm.act(containerId, { exit: 3 }); }, 'CONTAINER_EXIT', 3],
    ['by a signal that a caller sent', async ({ services }: Scene) => services.containers.kill('ctr', 'SIGTERM', false, CALL), 'CONTAINER_EXIT', 143],
    ['because it was stopped', async ({ services }: Scene) => { await services.containers.stop('ctr', undefined, CALL); }, 'OPERATOR_STOP', 143],
    ['because its sandbox was stopped with grace', async ({ services }: Scene) => { await services.sandboxes.stop('sb', { force: false, graceMs: undefined }, CALL); }, 'OPERATOR_STOP', 143],
  ] as const)('of a container that ended %s', async (_how, happen, cause, code) => {
    const at = await scene();
    await happen(at);
    await settle();
    expect(at.services.containers.get('ctr').container.exit).toMatchObject({ cause, code });
    expect(told(at.world, 'CONTAINER_EXITED')).toEqual([cause]);
    expect(at.world.ended).toContain(`container ${cause}`);
  });

  it.each([
    [new DomainError('BOOT_TIMEOUT', 'late'), 'BOOT_TIMEOUT'],
    [new DomainError('HOST_RESOURCE', 'broken'), 'RESOURCE_FAILURE'],
  ] as const)('of a boot that failed: %s', async (error, cause) => {
    const { world, services } = await scene();
    await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL);
    world.ended.length = 0;
    world.failures.set('launch', error);
    await expect(services.sandboxes.start('sb', CALL)).rejects.toMatchObject({ reason: error.reason });
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause });
    expect(told(world, 'SANDBOX_STOPPED')).toEqual(['OPERATOR_STOP', cause]);
    expect(world.ended).toEqual([`sandbox ${cause}`]);
  });

  it('of a create that failed are in its last event and its figure', async () => {
    const world = new World();
    const services = world.services();
    world.failures.set('launch', new DomainError('BOOT_TIMEOUT', 'late'));
    await expect(services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL)).rejects.toMatchObject({ reason: 'BOOT_TIMEOUT' });
    expect(told(world, 'SANDBOX_DELETED')).toEqual(['BOOT_TIMEOUT']);
    expect(world.ended).toEqual(['sandbox BOOT_TIMEOUT']);
  });

  it('of a sandbox that was deleted while it ran', async () => {
    const { world, services, exec } = await scene();
    const exit = exitOf(exec);
    const wait = services.sandboxes.wait('sb', {});
    await services.sandboxes.delete('sb', { force: true }, CALL);
    await settle();
    expect(await wait).toMatchObject({ state: 'deleted', cause: 'OPERATOR_STOP' });
    expect(await exit).toMatchObject({ cause: 'OPERATOR_STOP' });
    expect(told(world, 'SANDBOX_DELETED')).toEqual(['OPERATOR_STOP']);
    expect([...world.ended].sort()).toEqual(['container OPERATOR_STOP', 'exec OPERATOR_STOP', 'sandbox OPERATOR_STOP']);
  });

  it('of what a restart of the host ended', async () => {
    const { world } = await scene();
    world.bootId = 'boot-2';
    world.vms.clear();
    world.ended.length = 0;
    const services = world.services();
    await (await services.recovery.begin()).settled;
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'HOST_REBOOT' });
    expect(services.containers.get('ctr').container.exit).toMatchObject({ cause: 'HOST_REBOOT' });
    expect([...world.ended].sort()).toEqual(['container HOST_REBOOT', 'sandbox HOST_REBOOT']);
  });

  it('that come second change nothing', async () => {
    const at = await scene();
    at.vm.tell({ kind: 'guest-panic', detail: 'init died' });
    at.world.healthOf?.('mute');
    at.world.shareEnd.resolve(end({ kind: 'signalled', signal: 9 }));
    await at.services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL).catch(() => undefined);
    await settle();
    await at.world.clock.advance(LIMIT_MS);
    expect(at.services.sandboxes.get('sb')).toMatchObject({ state: 'stopped' });
    expect(at.world.ended.filter((line) => line.startsWith('sandbox'))).toHaveLength(1);
    const { cause } = at.services.sandboxes.get('sb');
    expect(at.services.containers.get('ctr').container.exit?.cause).toBe(cause);
  });
});
