import { beforeEach, describe, expect, it } from 'vitest';
import type { MountSpec } from '../../../../src/core/model/sandbox-spec.ts';
import type { VolumeSpec } from '../../../../src/core/model/volume.ts';
import { volumeParts, volumeRecord } from '../../../fakes/memory-volumes.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

const volume = (name: string, change: Partial<Extract<MountSpec, { kind: 'volume' }>> = {}): MountSpec => ({ kind: 'volume', destination: '/data', readOnly: false, name, subPath: '', noCopy: false, anonymous: false, ...change });
const spec = (change: Partial<VolumeSpec> = {}): VolumeSpec => ({ name: 'data', kind: 'directory', labels: {}, mode: 0o755, sizeBytes: 0, filesystem: 'none', ...change });

let world: World;
let services: TestServices;

beforeEach(async () => {
  world = new World();
  services = world.services();
  await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
});

const sweep = async (): Promise<void> => { await volumeParts(world, services.registry).ofContainers.sweep(); };
const container = async (mounts: readonly MountSpec[], change: Parameters<typeof containerSpec>[0] = {}): Promise<string> => (await services.containers.create('sb', containerSpec({ mounts, ...change }), CALL)).value.container.id;

describe('a volume', () => {
  it('is made once: the same again is found, another one under its name is refused', async () => {
    await expect(services.volumes.create(spec({ labels: { a: 'b' } }), CALL)).resolves.toMatchObject({ volume: { name: 'data' }, hostPath: '/volumes/data/data', usedBy: [] });
    await expect(services.volumes.create(spec({ labels: { a: 'b' } }), CALL)).resolves.toMatchObject({ volume: { labels: { a: 'b' } } });
    await expect(services.volumes.create(spec(), CALL)).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
    await expect(services.volumes.create(spec({ labels: { a: 'b' }, kind: 'block', sizeBytes: 1 << 20, filesystem: 'ext4' }), CALL)).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
  });

  it('without a name gets one, the same for a request that comes again', async () => {
    const first = await services.volumes.create(spec({ name: '' }), { requestId: 'r1' });
    const again = await services.volumes.create(spec({ name: '' }), { requestId: 'r1' });
    const other = await services.volumes.create(spec({ name: '' }), { requestId: 'r2' });
    expect(first.volume.name).toMatch(/^[0-9a-f]{32}$/);
    expect([again.volume.name === first.volume.name, other.volume.name === first.volume.name]).toEqual([true, false]);
  });

  it('is not removed while a container has it among its mounts, running or not, and the answer says which', async () => {
    const id = await container([volume('data')]);
    await expect(services.volumes.remove('data', { force: true }, CALL)).rejects.toMatchObject({ reason: 'VOLUME_IN_USE', details: { facts: { containers: id } } });
    expect(services.volumes.get('data').usedBy).toEqual([id]);
    await services.containers.delete(id, { force: true }, CALL);
    await services.volumes.remove('data', { force: false }, CALL);
    await expect(services.volumes.remove('data', { force: false }, CALL)).rejects.toMatchObject({ reason: 'VOLUME_NOT_FOUND' });
    await services.volumes.remove('data', { force: true }, CALL);
  });

  it('is not removed while its container is being created', async () => {
    const release = world.hold('rootfs');
    const creating = container([volume('data')]);
    await services.volumes.create(spec(), CALL);
    await expect(services.volumes.remove('data', { force: false }, CALL)).rejects.toMatchObject({ reason: 'VOLUME_IN_USE' });
    release();
    await creating;
  });

  it('is not removed while a record can not be read that may name it', async () => {
    await services.volumes.create(spec(), CALL);
    services.registry.unreadable.set('x', 'broken');
    await expect(services.volumes.remove('data', { force: true }, CALL)).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    await expect(services.volumes.prune({ all: true, labels: {} }, CALL)).rejects.toMatchObject({ reason: 'WRONG_STATE' });
  });

  it('that is a directory has no size to change, and a disk is not made smaller', async () => {
    await services.volumes.create(spec(), CALL);
    await services.volumes.create(spec({ name: 'disk', kind: 'block', sizeBytes: 2 << 20, filesystem: 'ext4' }), CALL);
    await expect(services.volumes.resize('data', 1 << 20, CALL)).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    await expect(services.volumes.resize('disk', 1 << 20, CALL)).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    await expect(services.volumes.resize('disk', 4 << 20, CALL)).resolves.toMatchObject({ volume: { sizeBytes: 4 << 20 } });
  });

  it('is pruned when nobody uses it: of those with names only when all are meant, and by label', async () => {
    world.volumes.records.set('passing', volumeRecord({ name: 'passing', anonymous: true }));
    await services.volumes.create(spec({ labels: { keep: 'no' } }), CALL);
    await services.volumes.create(spec({ name: 'kept' }), CALL);
    await container([volume('used')]);
    await expect(services.volumes.prune({ all: false, labels: {} }, CALL)).resolves.toEqual({ removed: ['passing'], freedBytes: 10 });
    await expect(services.volumes.prune({ all: true, labels: { keep: 'no' } }, CALL)).resolves.toMatchObject({ removed: ['data'] });
    await expect(services.volumes.prune({ all: true, labels: {} }, CALL)).resolves.toMatchObject({ removed: ['kept'] });
    expect(services.volumes.list({ labels: {}, unused: true })).toEqual([]);
    expect(services.volumes.list({ labels: {}, unused: false })).toHaveLength(1);
  });
});

describe("a container's volumes", () => {
  it('are made when they are missing, and named when they are not', async () => {
    const id = await container([volume('data'), volume('', { destination: '/other' })]);
    const { mounts } = services.containers.get(id).container.spec;
    expect(mounts).toMatchObject([{ name: 'data', anonymous: false }, { name: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown, anonymous: true }]);
    expect(world.volumes.volumes.map(({ anonymous }) => anonymous).sort()).toEqual([false, true]);
  });

  it('are those of its image too, unless something is mounted there', async () => {
    world.imageVolumes = ['/data', '/var/lib'];
    const id = await container([volume('data')]);
    expect(services.containers.get(id).container.spec.mounts).toMatchObject([{ destination: '/data', name: 'data' }, { destination: '/var/lib', anonymous: true }]);
    expect(world.volumes.filled).toHaveLength(2);
  });

  it('get what the image has, unless the caller forbids it or another container may write there', async () => {
    const first = await container([volume('data'), volume('plain', { destination: '/plain', noCopy: true }), volume('part', { destination: '/part', subPath: 'x' })]);
    expect(world.volumes.filled).toEqual([`/data of /image for ${first} into /volumes/data/data`]);
    await container([volume('data')]);
    expect(world.volumes.filled).toHaveLength(1);
  });

  it('stay as they are when it is stopped and started', async () => {
    const id = await container([volume('data')]);
    await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL);
    await services.sandboxes.start('sb', CALL);
    expect(world.volumes.filled).toHaveLength(1);
    expect(services.containers.get(id).container.state).toBe('running');
  });

  it('without names stay when it is deleted, unless that is asked for', async () => {
    const kept = await container([volume('')]);
    await services.containers.delete(kept, { force: true }, CALL);
    await sweep();
    expect(world.volumes.volumes).toHaveLength(1);
    const gone = await container([volume(''), volume('data', { destination: '/d' })]);
    await services.containers.delete(gone, { force: true, removeVolumes: true }, CALL);
    await sweep();
    expect(world.volumes.volumes.map(({ name, anonymous }) => (anonymous ? 'anonymous' : name))).toEqual(expect.arrayContaining(['anonymous', 'data']));
    expect(world.volumes.volumes).toHaveLength(2);
  });

  it('without names go with one that removes itself, and with a sandbox that is asked to take them along', async () => {
    await container([volume('')], { autoRemove: true });
    expect(world.volumes.volumes).toMatchObject([{ anonymous: true, removed: true }]);
    await container([volume('', { destination: '/other' })]);
    await services.sandboxes.delete('sb', { force: true, removeVolumes: true }, CALL);
    await sweep();
    expect(world.volumes.volumes).toEqual([]);
  });

  it('without names go with a create that fails; those with names stay', async () => {
    world.failures.set('agent-create', new Error('no'));
    await expect(container([volume(''), volume('data', { destination: '/d' })])).rejects.toThrow('no');
    expect(world.volumes.volumes.map(({ name }) => name)).toEqual(['data']);
  });

  it('without names go with a create that a death of the daemon cut short', async () => {
    world.hold('agent-create');
    container([volume('')]).catch(() => undefined);
    await expect.poll(() => world.volumes.volumes.length).toBe(1);
    services = world.services();
    await (await services.recovery.begin()).settled;
    await sweep();
    expect(world.volumes.volumes).toEqual([]);
  });

  it('are refused where nothing is shared with the guest, but not for the sake of its image', async () => {
    world.imageVolumes = ['/data'];
    world.profile = { ...world.profile, sharedFs: 'none' };
    await services.sandboxes.create(sandboxSpec({ name: 'alone' }), CALL);
    await expect(services.containers.create('alone', containerSpec({ mounts: [volume('data')] }), CALL)).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    const { value } = await services.containers.create('alone', containerSpec(), CALL);
    expect(value.container.spec.mounts).toEqual([]);
  });
});
