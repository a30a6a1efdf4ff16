import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

/** A host on which a daemon left one running container in a guest whose agent is an official one: it can't say what runs. */
async function left(): Promise<{ world: World; vm: FakeVm; containerId: string }> {
  const world = new World();
  const services = world.services();
  const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const { value } = await services.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
  await services.containers.start('ctr', CALL);
  const [vm] = world.vms.values();
  if (vm === undefined) throw new Error('no VM');
  const ours = vm.agent.bind(vm);
  vm.agent = (host) => ({ ...ours(host), kind: 'kata', processes: async () => { throw new DomainError('UNSUPPORTED', 'it can not list its processes'); } });
  return { world, vm, containerId: value.container.id };
}

describe('a daemon that comes back to an official kata agent', () => {
  it('tells of output that nobody counted, and keeps what comes after it where it belongs', async () => {
    const { world, vm, containerId } = await left();
    const ours = vm.agent.bind(vm);
    vm.agent = (host) => {
      const agent = ours(host);
      return {
        ...agent,
        output: async function* output(key, from, options) {
          yield { kind: 'lost', stream: 'stdout', from: from.stdout, to: from.stdout };
          yield* agent.output(key, from, options);
        },
      };
    };
    const again = world.services();
    await (await again.recovery.begin()).settled;
    vm.act(containerId, { write: 'after' });
    await settle();
    const stream = await again.containers.attach('ctr', { stdin: false, replay: true, from: undefined, start: false }, CALL);
    for await (const event of stream.output) {
      expect(event).toMatchObject({ kind: 'stdout', offset: 0n });
      break;
    }
    expect(world.logger.lines.filter(({ message }) => message.includes('nobody counted'))).toHaveLength(1);
  });

  it('believes its record, and goes on with the output of what ran', async () => {
    const { world, vm, containerId } = await left();
    const again = world.services();
    await (await again.recovery.begin()).settled;
    expect(again.sandboxes.get('sb')).toMatchObject({ state: 'running', conditions: [] });
    const stream = await again.containers.attach('ctr', { stdin: true, replay: true, from: undefined, start: false }, CALL);
    vm.act(containerId, { write: 'after', exit: 3 });
    const events = [];
    for await (const event of stream.output) events.push(event);
    expect(events).toMatchObject([{ kind: 'stdout', offset: 0n }, { kind: 'exit', exit: { code: 3 } }]);
    await settle();
    expect(again.containers.get('ctr').container.state).toBe('exited');
  });
});
