import { describe, expect, it } from 'vitest';
import { deferred } from '../../../../src/base/abort.ts';
import type { ExecSpec } from '../../../../src/core/model/sandbox-spec.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const EXEC: ExecSpec = { command: ['cat'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false };

/** A daemon that has come back over a running container and has not yet looked for its VM. */
async function comingBack(): Promise<{ world: World; again: TestServices; look: () => void; settled: Promise<void> }> {
  const world = new World();
  const before = world.services();
  const { value: sandbox } = await before.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  await before.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
  await before.containers.start('ctr', CALL);
  const looking = deferred<undefined>();
  world.failpoints = { reach: (point) => (point === 'recover/vmm/before' ? looking.promise : undefined) };
  const again = world.services();
  const { settled } = await again.recovery.begin();
  return { world, again, look: () => { looking.resolve(undefined); }, settled };
}

describe('an exec that is asked for before its sandbox is found again', () => {
  it('is started as soon as it is', async () => {
    const { again, look, settled } = await comingBack();
    const stream = again.containers.exec('ctr', EXEC, CALL);
    await settle();
    expect(again.sandboxes.get('sb').state).toBe('recovering');
    look();
    await settled;
    await expect(stream).resolves.toMatchObject({ sandboxId: again.sandboxes.get('sb').id });
  });

  it('is refused when its VM turns out to have ended', async () => {
    const { world, again, look, settled } = await comingBack();
    for (const vm of world.vms.values()) vm.alive = false;
    const refused = expect(again.containers.exec('ctr', EXEC, CALL)).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE', message: 'the VM has ended' });
    await settle();
    look();
    await settled;
    await refused;
  });

  it('is refused as recovering when nothing is known for ten seconds', async () => {
    const { world, again } = await comingBack();
    const refused = expect(again.containers.exec('ctr', EXEC, CALL)).rejects.toMatchObject({ reason: 'RECOVERING' });
    await settle();
    await world.clock.advance(10_000);
    await refused;
  });
});
