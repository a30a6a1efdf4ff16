import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeImage, decodeNames, encodeImage } from '../../../../src/storage/images/image-document.ts';
import { digest, imageRecordOf, ImageWorld } from '../../../fakes/image-world.ts';

const BUSYBOX = 'docker.io/library/busybox:latest';

async function withBusybox(): Promise<ImageWorld> {
  const world = await ImageWorld.open();
  await world.library.add(imageRecordOf(), [BUSYBOX, 'quay.io/b:1']);
  return world;
}

describe('the library', () => {
  it('finds by every way to write a name, by manifest, by id and by its beginning', async () => {
    const { library } = await withBusybox();
    for (const text of ['busybox', 'busybox:latest', 'docker.io/busybox', BUSYBOX, 'quay.io/b:1', `busybox@${digest('e')}`, digest('c'), 'c'.repeat(64), 'cccccccccccc', 'cccc']) {
      expect(library.find(text)?.record.id, text).toBe(digest('c'));
    }
    for (const text of ['busybox:1', 'quay.io/b', `other@${digest('e')}`, 'ccc', 'dddd', digest('d')]) expect(library.find(text), text).toBeUndefined();
  });

  it('refuses the beginning of several ids', async () => {
    const { library } = await withBusybox();
    await library.add(imageRecordOf({ id: `sha256:${'c'.repeat(63)}d` }), []);
    expect(() => library.find('cccc')).toThrow('"cccc" is the beginning of 2 image ids');
  });

  it('gives a name to one image at a time, and is the same after a restart', async () => {
    const world = await withBusybox();
    await world.library.add(imageRecordOf({ id: digest('d'), pulledAtMs: 9 }), [BUSYBOX]);
    await world.library.unname(['quay.io/b:1']);
    const before = world.library.images;
    expect(before.map(({ record, names }) => [record.id, names])).toEqual([[digest('d'), [BUSYBOX]], [digest('c'), []]]);
    await world.restart();
    expect(world.library.images).toEqual(before);
    expect(world.library.unreadable).toEqual([]);
  });

  it('forgets an image with its names', async () => {
    const world = await withBusybox();
    await world.library.forget(digest('c'));
    expect(world.library.find('busybox')).toBeUndefined();
    expect([...world.files.content.keys()]).toEqual(['/store/names.json']);
  });

  it('takes the names of a removed image as gone, whatever a crash left', async () => {
    const world = await withBusybox();
    await world.library.mark(digest('c'), true);
    await world.restart();
    expect(world.library.images).toMatchObject([{ names: [], record: { removed: true } }]);
  });

  it('leaves alone what it can not read, and says so', async () => {
    const world = await withBusybox();
    const path = `/store/records/${'c'.repeat(64)}.json`;
    world.files.put(path, encodeImage(imageRecordOf()).replace('"version":1', '"version":2'));
    await world.restart();
    expect(world.library.unreadable).toEqual([path]);
    expect(world.library.find('busybox')).toBeUndefined();
    expect(world.logger.lines.at(-1)).toMatchObject({ level: 'error', fields: { error: 'version 2 was written by a newer vivd; this one reads up to 1' } });
    await world.library.add(imageRecordOf({ id: digest('d') }), ['quay.io/d:1']);
    expect(world.files.text(path)).toContain('"version":2');
    expect(decodeNames(world.files.text('/store/names.json') ?? '').get(BUSYBOX)).toBe(digest('c'));
  });

  it('keeps an index of names that it can not read beside the new one', async () => {
    const world = await withBusybox();
    world.files.put('/store/names.json', '{"for');
    await world.restart();
    await world.library.add(imageRecordOf(), [BUSYBOX]);
    expect(world.files.text('/store/names.json.unreadable')).toBe('{"for');
    expect(world.library.find('busybox')?.record.id).toBe(digest('c'));
  });
});

describe('a record of an image', () => {
  it('is read as it was written on the first day', () => {
    const golden = readFileSync(new URL('../../../golden/images/v1.json', import.meta.url), 'utf8');
    const image = decodeImage(golden);
    expect(image).toMatchObject({ id: digest('c'), architecture: 'arm64/v8', settings: { user: 'web', volumes: ['/data'], labels: { a: 'b' } }, createdAtMs: 1_700_000_000_000, removed: true });
    expect(JSON.parse(encodeImage(image))).toEqual(JSON.parse(golden));
  });

  it.each([
    ['another format', { format: 'x' }, 'the format is not "vivarium.image"'],
    ['no version', { version: 0 }, 'it has no version'],
    ['an id that is none', { image: { ...imageRecordOf(), id: '../x' } }, '"id" is no SHA-256 digest'],
    ['a chain id that would lead elsewhere', { image: { ...imageRecordOf(), layers: [{ ...imageRecordOf().layers[0], chainId: 'sha256:../../x' }] } }, '"chainId" is no SHA-256 digest'],
    ['a size that is none', { image: { ...imageRecordOf(), layers: [{ ...imageRecordOf().layers[0], sizeBytes: -1 }] } }, '"sizeBytes" is no number of bytes'],
  ])('with %s is refused', (_what, change, message) => {
    expect(() => decodeImage(JSON.stringify({ format: 'vivarium.image', version: 1, image: imageRecordOf(), ...change }))).toThrow(message);
  });
});
