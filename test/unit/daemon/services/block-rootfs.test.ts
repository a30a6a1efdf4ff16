import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { ImageConfig } from '../../../../src/core/ports/storage.ts';
import { containerSpec, profile, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const IMAGE: ImageConfig = { name: 'web', digest: 'sha256:a', lowers: ['/image'], entrypoint: [], command: [], env: [], workingDir: '/', user: '', stopSignal: '', volumes: [], sizeBytes: 1, source: '', pulled: undefined };
const ERASE = { force: true };

interface Stage {
  readonly world: World;
  readonly services: TestServices;
  readonly vm: () => FakeVm;
  /** `0 /path`, in order. */
  readonly disks: () => readonly string[];
}

async function ready(change = {}): Promise<Stage> {
  const world = new World();
  world.profile = profile({ blockRootfs: true, ...change });
  world.image = IMAGE;
  const services = world.services();
  await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const vm = (): FakeVm => [...world.vms.values()].at(-1)!;
  const disks = (): readonly string[] => [...vm().disks.plugged.values()].map(({ unit, path, readOnly }) => `${unit} ${path.split('/').slice(-2).join('/')}${readOnly ? ' ro' : ''}`);
  return { world, services, vm, disks };
}

const block = (name: string) => containerSpec({ name, rootfsMode: 'block' });

describe('a container on disks', () => {
  it('has its image and a disk of its own in the VM, and the guest is told how they make its root', async () => {
    const { world, services, disks } = await ready();
    const { value, mode } = await services.containers.create('sb', block('a'), CALL);
    expect(value.container.rootfs).toMatchObject({ kind: 'block', reason: 'asked for' });
    expect(mode?.rootfs).toBe('block');
    expect(disks()).toEqual(['0 web/rootfs.erofs ro', `1 ${value.container.id}/disk.img`]);
    expect(world.asked[0]?.storages.map(({ driver, source, fstype }) => `${driver} ${source} ${fstype}`)).toEqual(['scsi 0:0 erofs', 'scsi 0:1 ext4', 'overlayfs overlay overlay']);
  });

  it('shares its image with the next one, and the last one takes it along', async () => {
    const { services, disks } = await ready();
    await services.containers.create('sb', block('a'), CALL);
    const { value } = await services.containers.create('sb', block('b'), CALL);
    expect(disks()).toEqual(['0 web/rootfs.erofs ro', expect.stringMatching(/^1 /), `2 ${value.container.id}/disk.img`]);
    await services.containers.delete('a', ERASE, CALL);
    expect(disks()).toEqual(['0 web/rootfs.erofs ro', `2 ${value.container.id}/disk.img`]);
    await services.containers.delete('b', ERASE, CALL);
    expect(disks()).toEqual([]);
  });

  it('is what an image becomes where nothing is shared, and where its containers were said to need no more', async () => {
    const { services } = await ready({ sharedFs: 'none' });
    expect((await services.containers.create('sb', containerSpec({ name: 'a' }), CALL)).value.container.rootfs.reason).toBe('auto: block, its sandbox shares no files');
    const other = await ready({ blockRootfs: false });
    await other.services.sandboxes.create(sandboxSpec({ name: 'sc', workload: { cpus: 0, memoryBytes: 0, images: true } }), CALL);
    expect(other.services.sandboxes.get('sc').profile).toMatchObject({ sharedFs: 'none', blockRootfs: true });
    expect((await other.services.containers.create('sc', containerSpec({ name: 'a' }), CALL)).value.container.rootfs.kind).toBe('block');
  });

  it('is refused in a VM without a controller, before anything is touched', async () => {
    const { services } = await ready({ blockRootfs: false });
    await expect(services.containers.create('sb', block('a'), CALL)).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    expect(services.sandboxes.get('sb').containers).toEqual([]);
  });

  it.each(['image-disk', 'blank-disk', 'disk-add', 'agent-create'])('that fails at %s leaves no disk behind', async (where) => {
    const { world, services, disks } = await ready();
    world.failures.set(where, new DomainError('STORAGE_FULL', 'no room'));
    await expect(services.containers.create('sb', block('a'), CALL)).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    expect([disks(), services.sandboxes.get('sb').containers]).toEqual([[], []]);
  });

  it('has its disks again when its sandbox starts again', async () => {
    const { services, disks } = await ready();
    await services.containers.create('sb', block('a'), CALL);
    await services.containers.start('a', CALL);
    const before = disks();
    await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL);
    await services.sandboxes.start('sb', CALL);
    expect(disks()).toEqual(before);
  });

  it('lives on when the daemon dies, and its disks go with it later', async () => {
    const { world, services, disks } = await ready();
    await services.containers.create('sb', block('a'), CALL);
    await services.containers.start('a', CALL);
    const next = world.services();
    await (await next.recovery.begin()).settled;
    expect(next.containers.get('a').container.state).toBe('running');
    await next.containers.create('sb', block('b'), CALL);
    expect(disks().map((line) => line.split(' ')[0])).toEqual(['0', '1', '2']);
    for (const name of ['a', 'b']) await next.containers.delete(name, ERASE, CALL);
    expect(disks()).toEqual([]);
  });
});
