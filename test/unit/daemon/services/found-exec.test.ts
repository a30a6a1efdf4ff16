import { describe, expect, it } from 'vitest';
import type { ExecSpec } from '../../../../src/core/model/sandbox-spec.ts';
import type { StreamEvent } from '../../../../src/daemon/services/facade.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const EXEC: ExecSpec = { command: ['cat'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false };
const FROM_START = { stdout: 0n, stderr: 0n };

/** A host on which a daemon left one running container. */
async function left(): Promise<{ world: World; vm: FakeVm; before: TestServices; containerId: string }> {
  const world = new World();
  const before = world.services();
  const { value: sandbox } = await before.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const { value } = await before.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
  await before.containers.start('ctr', CALL);
  const [vm] = world.vms.values();
  if (vm === undefined) throw new Error('no VM');
  return { world, vm, before, containerId: value.container.id };
}

async function first(events: AsyncIterable<StreamEvent>): Promise<StreamEvent | undefined> {
  for await (const event of events) return event;
  return undefined;
}

describe('an exec that a guest tells of', () => {
  it('is found once, and by its client', async () => {
    const { world, vm, before, containerId } = await left();
    const { execId } = await before.containers.exec('ctr', EXEC, CALL);
    const again = world.services();
    await (await again.recovery.begin()).settled;
    vm.act(containerId, { execId, write: 'hello' });
    const stream = await again.containers.resumeExec(execId, FROM_START, {});
    expect(await first(stream.output)).toMatchObject({ kind: 'stdout', offset: 0n });
  });

  it('is waited for until its own guest has told, whatever another guest does', async () => {
    const { world, before } = await left();
    const { execId, containerId: containerRef } = await before.containers.exec('ctr', EXEC, CALL);
    const release = world.hold('agent-processes');
    const again = world.services();
    again.registry.unmet.expect('a mute one');
    const { settled } = await again.recovery.begin();
    const resumed = again.containers.resumeExec(execId, FROM_START, { containerRef });
    release();
    await settled;
    await expect(resumed).resolves.toMatchObject({ execId });
    await expect(again.containers.resumeExec('gone', FROM_START, { containerRef })).rejects.toMatchObject({ reason: 'EXEC_NOT_FOUND' });
  });

  it('is not found in a container that it is not of', async () => {
    const { before } = await left();
    const { execId, sandboxId } = await before.containers.exec('ctr', EXEC, CALL);
    await before.containers.create(sandboxId, containerSpec({ name: 'other' }), CALL);
    await expect(before.containers.resumeExec(execId, FROM_START, { containerRef: 'other' })).rejects.toMatchObject({ reason: 'EXEC_NOT_FOUND' });
    await expect(before.containers.resumeExec(execId, FROM_START, { containerRef: 'absent' })).rejects.toMatchObject({ reason: 'CONTAINER_NOT_FOUND' });
  });

  it('that this daemon started before its guest had told stays the one of its client', async () => {
    const { world, vm, containerId } = await left();
    const release = world.hold('agent-processes');
    const again = world.services();
    const { settled } = await again.recovery.begin();
    await settle();
    const stream = await again.containers.exec('ctr', EXEC, CALL);
    const session = again.registry.exec(stream.execId);
    release();
    await settled;
    expect(again.registry.exec(stream.execId)).toBe(session);
    // Longer than an exec without a client holds its output: a second session would now read it and throw it away.
    await world.clock.advance(61_000);
    vm.act(containerId, { execId: stream.execId, write: 'kept' });
    await settle();
    expect(vm.processes.get(`${containerId}/${stream.execId}`)?.acked).toBe(0n);
    expect(await first(stream.output)).toMatchObject({ kind: 'stdout', offset: 0n });
  });
});
