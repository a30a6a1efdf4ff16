import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ImageProgress } from '../../src/core/ports/images.ts';
import { startConversation } from '../../src/host/conversation.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { StoredImageParts } from '../../src/storage/images/image-parts.ts';
import { ImageToolClient } from '../../src/storage/images/image-tool.ts';
import { ociImage, writeLayout } from '../fakes/oci-image.ts';
import type { OciImage } from '../fakes/oci-image.ts';
import { TestRegistry } from '../fakes/registry.ts';
import { StorageParts } from './storage-parts.ts';

const PROGRAM = process.env['VIVARIUM_IMAGE_TOOL'] ?? fileURLToPath(new URL('../../target/x86_64-unknown-linux-gnu/release/viv-image', import.meta.url));
const PLATFORM = { os: 'linux', architecture: 'amd64', variant: '' };
const MIB = 1024 * 1024;

let home: string;
beforeEach(async () => { home = await mkdtemp('/tmp/vv-img-'); });
afterEach(async () => { await rm(home, { recursive: true, force: true }); });

function client(change: Partial<ConstructorParameters<typeof ImageToolClient>[0]> = {}): ImageToolClient {
  const limits = { layerBytes: 64 * MIB, imageBytes: 64 * MIB, files: 1000, layers: 100, stallMs: 2000, retries: 1, atOnce: 3 };
  return new ImageToolClient({ start: startConversation, clock: new SystemClock(), program: PROGRAM, store: join(home, 'store'), mirrors: [], authFile: '', limits, ...change });
}

const image = (): OciImage => ociImage([[{ path: 'etc/' }, { path: 'etc/a', content: 'one' }, { path: 'etc/b', content: 'x'.repeat(100_000) }], [{ path: 'etc/a', content: 'two' }]], { Cmd: ['/bin/sh'], Env: ['A=1'], User: 'web' });

describe('the image tool', () => {
  it('takes an image from a layout, and names its layers and what it says', async () => {
    await writeLayout(join(home, 'layout'), image(), 'registry.test/app:1');
    const progress: ImageProgress[] = [];
    const { images } = await client().import({ path: join(home, 'layout'), platform: PLATFORM }, (line) => { progress.push(line); });
    expect(images).toMatchObject([{ source: 'oci-layout', configDigest: image().config.digest, settings: { command: ['/bin/sh'], env: ['A=1'], user: 'web' }, createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5) }]);
    const [lower, upper] = images[0]!.layers.map(({ chainId }) => join(home, 'store/layers', chainId.replace(':', '/'), 'fs/etc/a'));
    expect([await readFile(lower!, 'utf8'), await readFile(upper!, 'utf8')]).toEqual(['one', 'two']);
    expect(new Set(progress.map(({ step }) => step))).toEqual(expect.objectContaining(new Set(['unpacking', 'done'])));
  });

  it('fetches from a registry once, and finds it there the next time', async () => {
    await using registry = await TestRegistry.start();
    const reference = registry.put('team/app', '1', image());
    const call = { reference, platform: PLATFORM, insecure: false, auth: undefined };
    const first = await client().pull(call, () => undefined);
    expect(first.fetchedBytes).toBeGreaterThan(image().layers[0]!.bytes.length);
    expect(first.images[0]).toMatchObject({ manifestDigest: image().manifest.digest, configDigest: image().config.digest, source: 'registry' });
    const before = registry.requests.filter((line) => line.includes('/blobs/')).length;
    const second = await client().pull(call, () => undefined);
    expect(second.images).toEqual(first.images);
    expect(registry.requests.filter((line) => line.includes('/blobs/')).length).toBe(before);
  });

  it('sends the credentials that it is given, and is told when they are missing or wrong', async () => {
    await using registry = await TestRegistry.start();
    const reference = registry.put('team/app', '1', image());
    registry.credentials = 'me:secret';
    const pull = (auth: { username: string; password: string; identityToken: string } | undefined) => client().pull({ reference, platform: PLATFORM, insecure: false, auth }, () => undefined);
    await expect(pull(undefined)).rejects.toMatchObject({ reason: 'IMAGE_UNAUTHORIZED', details: { facts: { status: '401' } } });
    await expect(pull({ username: 'me', password: 'wrong', identityToken: '' })).rejects.toMatchObject({ reason: 'IMAGE_UNAUTHORIZED' });
    await expect(pull({ username: 'me', password: 'secret', identityToken: '' })).resolves.toMatchObject({ images: [{ source: 'registry' }] });
  });

  it('asks a mirror first', async () => {
    await using mirror = await TestRegistry.start();
    mirror.put('library/app', '1', image());
    const tool = client({ mirrors: [{ url: `http://${mirror.host}`, insecure: true }] });
    await expect(tool.pull({ reference: 'docker.io/library/app:1', platform: PLATFORM, insecure: false, auth: undefined }, () => undefined)).resolves.toMatchObject({ images: [{ configDigest: image().config.digest }] });
  });

  it.each<[string, string, (registry: TestRegistry) => void]>([
    ['has no such tag', 'IMAGE_NOT_FOUND', (registry) => { registry.put('team/app', 'other', image()); }],
    ['lies about a digest', 'IMAGE_INVALID', (registry) => {
      const { manifest, config, layers } = image();
      registry.put('team/app', '1', { manifest, config, layers: layers.map((layer) => ({ ...layer, bytes: Buffer.alloc(layer.bytes.length, 1) })) });
    }],
    ['fails', 'IMAGE_PULL_FAILED', (registry) => { registry.fault = (_request, response) => { response.writeHead(500).end(); return true; }; }],
    ['stalls', 'IMAGE_PULL_FAILED', (registry) => { registry.fault = () => true; }],
    ['wants us to wait for longer than we try', 'IMAGE_RATE_LIMITED', (registry) => { registry.fault = (_request, response) => { response.writeHead(429).end(); return true; }; }],
    ['has it for another machine', 'IMAGE_WRONG_PLATFORM', (registry) => { registry.put('team/app', '1', ociImage([[{ path: 'a', content: 'x' }]], {}, { os: 'linux', architecture: 's390x' })); }],
    ['sends more than is allowed', 'IMAGE_TOO_LARGE', (registry) => { registry.put('team/app', '1', ociImage([[{ path: 'a', content: Buffer.alloc(80 * MIB) }]])); }],
    ['sends a layer that leaves its place', 'IMAGE_INVALID', (registry) => { registry.put('team/app', '1', ociImage([[{ path: '../../escaped', content: 'x' }]])); }],
  ])('says so when a registry %s: %s', async (_what, reason, prepare) => {
    await using registry = await TestRegistry.start();
    prepare(registry);
    await expect(client().pull({ reference: `${registry.host}/team/app:1`, platform: PLATFORM, insecure: false, auth: undefined }, () => undefined)).rejects.toMatchObject({ reason });
    expect(await readdir(join(home, 'store/work'))).toEqual([]);
  }, 30_000);

  it('is ended with its caller, and leaves what it had fetched', async () => {
    await using registry = await TestRegistry.start();
    const reference = registry.put('team/app', '1', image());
    const caller = new AbortController();
    registry.fault = (request, response) => {
      if (request.url?.includes(image().layers[0]!.digest) !== true) return false;
      response.writeHead(200, { 'content-length': image().layers[0]!.bytes.length });
      response.write(image().layers[0]!.bytes.subarray(0, 40));
      caller.abort(new Error('gone'));
      return true;
    };
    await expect(client().pull({ reference, platform: PLATFORM, insecure: false, auth: undefined }, () => undefined, { signal: caller.signal })).rejects.toThrow('gone');
    registry.fault = () => false;
    await expect(client().pull({ reference, platform: PLATFORM, insecure: false, auth: undefined }, () => undefined)).resolves.toMatchObject({ images: [{}] });
  });

  it('that is not there is told', async () => {
    await expect(client({ program: join(home, 'none') }).import({ path: '/x', platform: PLATFORM }, () => undefined)).rejects.toMatchObject({ reason: 'HOST_RESOURCE', details: { facts: { exit_code: '-1' } } });
  });
});

describe('the lock of the store', () => {
  it('is held while work runs, waited for by others and refused to those who wait for too long', async () => {
    await using parts = await StorageParts.make();
    const store = join(home, 'store');
    const disk = new StoredImageParts({ files: parts.files, trash: parts.trash, start: startConversation, store, trashDir: join(home, 'trash') });
    const order: string[] = [];
    const first = disk.exclusively(async () => {
      const second = disk.exclusively(async () => { order.push('second'); });
      await new SystemClock().sleep(50);
      order.push('first');
      return { second };
    });
    await (await first)?.second;
    expect(order).toEqual(['first', 'second']);
    const impatient = new StoredImageParts({ files: parts.files, trash: parts.trash, store, trashDir: join(home, 'trash'), start: (command, args, options) => startConversation(command, args.map((arg) => (arg === '15' ? '0' : arg)), options) });
    expect(await disk.exclusively(async () => await impatient.exclusively(async () => 1))).toBeUndefined();
  });

  it('that can not be had at all is told', async () => {
    await using parts = await StorageParts.make();
    await mkdir(join(home, 'store/lock/x'), { recursive: true });
    await writeFile(join(home, 'f'), '');
    await chmod(join(home, 'f'), 0o600);
    const disk = new StoredImageParts({ files: parts.files, trash: parts.trash, start: (_command, args, options) => startConversation('no-flock-here', args, options), store: join(home, 'store'), trashDir: join(home, 'trash') });
    await expect(disk.exclusively(async () => undefined)).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    expect(existsSync(join(home, 'trash'))).toBe(false);
  });
});
