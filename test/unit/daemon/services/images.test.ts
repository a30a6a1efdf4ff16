import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { NO_SETTINGS } from '../../../../src/core/model/image.ts';
import type { ImagePullEvent, ImagePullSpec } from '../../../../src/daemon/services/image-facade.ts';
import { digest, imageRecordOf, ImageWorld, unpackedImage } from '../../../fakes/image-world.ts';
import { containerRecord, sandboxRecord } from '../../../fakes/records.ts';

const NONE = { requestId: '' };
const BUSYBOX = 'docker.io/library/busybox:latest';

const spec = (change: Partial<ImagePullSpec> = {}): ImagePullSpec => ({ reference: 'busybox', policy: 'missing', auth: undefined, insecure: false, platform: undefined, ...change });

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}

async function eventsOf(pull: AsyncIterable<ImagePullEvent>): Promise<readonly string[]> {
  const seen: string[] = [];
  for await (const event of pull) seen.push(event.kind === 'progress' ? `${event.progress.step} ${event.progress.doneBytes}` : `result ${event.view.image.name} ${event.upToDate} ${event.fetchedBytes}`);
  return seen;
}

/** A sandbox with a container that started from an image's layer. */
function usedBy(containerId: string): ReturnType<typeof sandboxRecord> {
  return sandboxRecord({ containers: [containerRecord({ id: containerId, imageId: digest('c'), lower: `/store/layers/sha256/${'2'.repeat(64)}/fs`, lowerLayers: [`/store/layers/sha256/${'1'.repeat(64)}/fs`] })] });
}

describe('a pull', () => {
  it('tells how far it is, and gives the image its name', async () => {
    const world = await ImageWorld.open();
    const events = eventsOf(world.images.pull(spec({ reference: 'team/app:1' }), NONE));
    await settle();
    world.tool.report({ step: 'fetching', layer: digest('b'), doneBytes: 5, totalBytes: 10 });
    await settle();
    world.tool.finish(unpackedImage());
    expect(await events).toEqual(['fetching 5', 'result team/app:1 false 10']);
    expect(world.tool.pulls).toEqual([{ reference: 'docker.io/team/app:1', platform: { os: 'linux', architecture: 'amd64', variant: '' }, insecure: false, auth: undefined }]);
    await world.restart();
    expect(world.library.find('team/app:1')?.record).toMatchObject({ id: digest('c'), pulledAtMs: 5000 });
  });

  it('of an image that is here asks nobody, unless it has to look', async () => {
    const world = await ImageWorld.open();
    await world.library.add(imageRecordOf(), [BUSYBOX]);
    expect(await eventsOf(world.images.pull(spec(), NONE))).toEqual(['result busybox:latest true 0']);
    expect(await eventsOf(world.images.pull(spec({ reference: 'cccccccc', policy: 'never' }), NONE))).toEqual(['result busybox:latest true 0']);
    const always = eventsOf(world.images.pull(spec({ policy: 'always' }), NONE));
    await settle();
    world.tool.finish(unpackedImage({ configDigest: digest('d') }));
    expect(await always).toEqual(['result busybox:latest false 10']);
    expect(world.library.images.map(({ record, names }) => [record.id, names])).toEqual([[digest('d'), [BUSYBOX]], [digest('c'), []]]);
  });

  it('of one for another platform fetches it', async () => {
    const world = await ImageWorld.open();
    await world.library.add(imageRecordOf(), [BUSYBOX]);
    const events = eventsOf(world.images.pull(spec({ platform: { os: 'linux', architecture: 'arm64', variant: '' } }), NONE));
    await settle();
    expect(world.tool.pulls).toHaveLength(1);
    world.tool.finish(unpackedImage());
    await events;
  });

  it('that is forbidden says that there is none', async () => {
    const world = await ImageWorld.open();
    await expect(eventsOf(world.images.pull(spec({ policy: 'never' }), NONE))).rejects.toMatchObject({ reason: 'IMAGE_NOT_FOUND' });
    expect(world.tool.pulls).toEqual([]);
  });

  it('is under way once, told to all from where it is, and ended with the last who wants it', async () => {
    const world = await ImageWorld.open();
    const callers = [new AbortController(), new AbortController()] as const;
    const first = eventsOf(world.images.pull(spec(), { ...NONE, signal: callers[0].signal }));
    first.catch(() => undefined);
    await settle();
    world.tool.report({ step: 'fetching', layer: 'x', doneBytes: 5, totalBytes: 10 });
    const second = eventsOf(world.images.pull(spec({ reference: BUSYBOX }), { ...NONE, signal: callers[1].signal }));
    await settle();
    callers[0].abort(new DomainError('CANCELLED', 'first'));
    await expect(first).rejects.toMatchObject({ message: 'first' });
    expect([world.tool.pulls.length, world.tool.aborted]).toEqual([1, 0]);
    const ended = expect(second).rejects.toMatchObject({ message: 'second' });
    callers[1].abort(new DomainError('CANCELLED', 'second'));
    await ended;
    expect(world.tool.aborted).toBe(1);
    expect(world.library.images).toEqual([]);
  });

  it('with other credentials is another one', async () => {
    const world = await ImageWorld.open();
    const pulls = [undefined, { username: 'u', password: 'p', identityToken: '' }].map((auth) => eventsOf(world.images.pull(spec({ auth }), NONE)));
    await settle();
    expect(world.tool.pulls).toHaveLength(2);
    world.tool.finish(unpackedImage());
    expect(await Promise.all(pulls)).toHaveLength(2);
  });

  it('that failed can be asked for again', async () => {
    const world = await ImageWorld.open();
    const first = eventsOf(world.images.pull(spec(), NONE));
    first.catch(() => undefined);
    await settle();
    world.tool.fail(new DomainError('IMAGE_PULL_FAILED', 'stalled'));
    await expect(first).rejects.toMatchObject({ reason: 'IMAGE_PULL_FAILED' });
    const second = eventsOf(world.images.pull(spec(), NONE));
    await settle();
    world.tool.finish(unpackedImage());
    expect(await second).toEqual(['result busybox:latest false 10']);
  });

  it('that failed leaves none of its layers, and what it has fetched for the next', async () => {
    const world = await ImageWorld.open();
    const events = eventsOf(world.images.pull(spec(), NONE));
    events.catch(() => undefined);
    await settle();
    world.disk.put('layer', digest('1'));
    world.disk.put('blob', digest('b'));
    world.disk.put('work', 'half');
    world.tool.fail(new DomainError('STORAGE_FULL', 'no space left'));
    await expect(events).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    await settle();
    expect(world.disk.left).toEqual(['blob b']);
  });

  it('leaves no archive of what it has unpacked', async () => {
    const world = await ImageWorld.open();
    world.disk.put('blob', digest('b'));
    world.disk.put('blob', digest('c'));
    world.disk.put('layer', digest('1'));
    const events = eventsOf(world.images.pull(spec(), NONE));
    await settle();
    world.tool.finish(unpackedImage());
    await events;
    await settle();
    expect(world.disk.left).toEqual(['blob c', 'layer 1']);
  });
});

describe('an import', () => {
  it('of a root file system is what its importer says, and another image if that is something else', async () => {
    const world = await ImageWorld.open();
    const ids: string[] = [];
    for (const command of ['a', 'b', 'b']) {
      const events = world.images.importImage({ path: '/tree', reference: 'mine', settings: { ...NO_SETTINGS, command: [command] } }, NONE);
      const next = events.next();
      await settle();
      world.tool.finish(unpackedImage({ source: 'directory' }));
      const { value } = await next;
      if (value?.kind === 'result') ids.push(value.views[0]?.image.digest ?? '');
    }
    expect([ids[0] === ids[1], ids[1] === ids[2]]).toEqual([false, true]);
    expect(world.library.find('mine')?.record.settings.command).toEqual(['b']);
  });

  it('keeps the names in an archive, and refuses one name for several images', async () => {
    const world = await ImageWorld.open();
    const two = [unpackedImage({ names: ['a:1'] }), unpackedImage({ configDigest: digest('d'), names: ['b:1', 'not a name'] })];
    const named = world.images.importImage({ path: '/a.tar', reference: '', settings: NO_SETTINGS }, NONE).next();
    await settle();
    world.tool.finish(...two);
    await named;
    expect(world.library.images.flatMap(({ names }) => names).sort()).toEqual(['docker.io/library/a:1', 'docker.io/library/b:1']);
    const refused = world.images.importImage({ path: '/a.tar', reference: 'x', settings: NO_SETTINGS }, NONE).next();
    refused.catch(() => undefined);
    await settle();
    world.tool.finish(...two);
    await expect(refused).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });
});

describe('a removal', () => {
  async function withImage(...names: readonly string[]): Promise<ImageWorld> {
    const world = await ImageWorld.open();
    await world.library.add(imageRecordOf(), names);
    world.disk.put('layer', digest('1'), 100);
    world.disk.put('layer', digest('2'), 10);
    return world;
  }

  it('takes a name away, and the image and its layers with the last one', async () => {
    const world = await withImage(BUSYBOX, 'docker.io/library/b:1');
    world.records = [];
    expect(await world.images.remove('b:1', { force: false }, NONE)).toEqual({ untagged: ['docker.io/library/b:1'], deleted: [], freedBytes: 10 });
    expect(await world.images.remove('busybox', { force: false }, NONE)).toEqual({ untagged: [BUSYBOX], deleted: [digest('c')], freedBytes: 100 });
    expect(world.disk.left).toEqual([]);
    await expect(world.images.remove('busybox', { force: false }, NONE)).rejects.toMatchObject({ reason: 'IMAGE_NOT_FOUND' });
  });

  it('by id of an image with several names needs force', async () => {
    const world = await withImage(BUSYBOX, 'docker.io/library/b:1');
    await expect(world.images.remove(digest('c'), { force: false }, NONE)).rejects.toMatchObject({ reason: 'IMAGE_IN_USE' });
    expect(await world.images.remove(digest('c'), { force: true }, NONE)).toMatchObject({ untagged: ['docker.io/library/b:1', BUSYBOX], deleted: [digest('c')] });
  });

  it('of what a container uses needs force, and then goes with the container', async () => {
    const world = await withImage(BUSYBOX);
    world.records = [usedBy('0190f4a8b7c27def8a12000000000009')];
    await expect(world.images.remove('busybox', { force: false }, NONE)).rejects.toMatchObject({ reason: 'IMAGE_IN_USE', message: '1 container uses the image: 0190f4a8b7c27def8a12000000000009' });
    expect(await world.images.remove('busybox', { force: true }, NONE)).toEqual({ untagged: [BUSYBOX], deleted: [], freedBytes: 0 });
    await expect(world.images.get('busybox')).rejects.toMatchObject({ reason: 'IMAGE_NOT_FOUND' });
    expect((await world.images.list('')).views).toEqual([]);
    expect(world.disk.left).toEqual(['layer 1', 'layer 2']);
    world.records = [];
    await world.images.sweep();
    expect([world.disk.left, world.library.images]).toEqual([[], []]);
  });

  it('carried out again after a crash finds it done', async () => {
    const world = await ImageWorld.open();
    expect(await world.images.remove('busybox', { force: false }, { ...NONE, attempt: { subject: '', begunAtMs: 1 } })).toEqual({ untagged: [], deleted: [], freedBytes: 0 });
  });
});

describe('the sweep', () => {
  it('waits for those who have an image and no record yet', async () => {
    const world = await ImageWorld.open();
    await world.library.add(imageRecordOf(), [BUSYBOX]);
    world.disk.put('layer', digest('1'));
    const create = world.resolving.enter();
    const removal = world.images.remove('busybox', { force: false }, NONE);
    await settle();
    expect(world.disk.left).toEqual(['layer 1']);
    world.records = [usedBy('0190f4a8b7c27def8a12000000000009')];
    create[Symbol.dispose]();
    expect(await removal).toMatchObject({ deleted: [], freedBytes: 0 });
    expect(world.disk.left).toEqual(['layer 1']);
  });

  it('never runs while an image tool is at work, and right after', async () => {
    const world = await ImageWorld.open();
    const events = eventsOf(world.images.pull(spec(), NONE));
    await settle();
    world.disk.put('layer', digest('1'));
    world.disk.put('layer', digest('9'));
    world.disk.put('work', 'half');
    expect((await world.images.inventory()).map(({ standing }) => standing)).toEqual(['under-way', 'under-way', 'under-way']);
    expect(await world.images.prune({ all: false }, NONE)).toEqual({ untagged: [], deleted: [], freedBytes: 0 });
    expect(world.disk.left).toEqual(['layer 1', 'layer 9', 'work f']);
    world.tool.finish(unpackedImage());
    await events;
    await settle();
    expect(world.disk.left).toEqual(['layer 1']);
  });

  it('keeps what given-up pulls have fetched until it is pruned', async () => {
    const world = await ImageWorld.open();
    world.disk.put('partial', digest('7'), 3);
    world.disk.put('blob', digest('8'), 4);
    world.disk.put('layer', digest('9'), 5);
    expect((await world.images.inventory()).map(({ standing }) => standing)).toEqual(['cache', 'cache', 'needless']);
    expect(await world.images.sweep()).toBe(5);
    expect(world.disk.left).toEqual(['partial 7', 'blob 8']);
    expect(await world.images.prune({ all: false }, NONE)).toEqual({ untagged: [], deleted: [], freedBytes: 7 });
    expect(world.disk.left).toEqual([]);
  });

  it.each(['image', 'sandbox'])('removes nothing while the record of a(n) %s can not be read', async (what) => {
    const world = await ImageWorld.open();
    if (what === 'sandbox') world.unreadable = ['0190f4a8b7c27def8a12000000000001'];
    else world.files.put(`/store/records/${'c'.repeat(64)}.json`, '{');
    await world.restart();
    world.disk.put('layer', digest('9'));
    expect(await world.images.sweep()).toBe(0);
    expect((await world.images.inventory()).map(({ standing }) => standing)).toEqual(['unknown']);
    expect(world.disk.left).toEqual(['layer 9']);
  });

  it('is done later when a tool of an earlier daemon holds the store, and logs what fails', async () => {
    const world = await ImageWorld.open();
    world.disk.put('work', 'half');
    world.disk.locked = true;
    expect(await world.images.sweep()).toBe(0);
    world.disk.locked = false;
    world.disk.discard = async () => { throw new Error('EIO'); };
    expect(await world.images.sweep()).toBe(0);
    expect(world.logger.lines.map(({ message }) => message)).toEqual(['an image tool of an earlier daemon is still at work; its store is swept later', 'the images were not swept']);
  });

  it('prunes the nameless alone, and with all those that no container uses', async () => {
    const world = await ImageWorld.open();
    await world.library.add(imageRecordOf({ id: digest('a'), layers: [] }), []);
    await world.library.add(imageRecordOf({ id: digest('b'), layers: [] }), ['docker.io/library/b:1']);
    await world.library.add(imageRecordOf(), [BUSYBOX]);
    world.records = [usedBy('0190f4a8b7c27def8a12000000000009')];
    expect(await world.images.prune({ all: false }, NONE)).toMatchObject({ untagged: [], deleted: [digest('a')] });
    expect(await world.images.prune({ all: true }, NONE)).toMatchObject({ untagged: ['docker.io/library/b:1'], deleted: [digest('b')] });
    expect((await world.images.list('')).views).toMatchObject([{ image: { name: 'busybox:latest' }, usedBy: ['0190f4a8b7c27def8a12000000000009'] }]);
  });
});
