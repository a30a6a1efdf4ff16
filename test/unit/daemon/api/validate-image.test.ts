import { describe, expect, it } from 'vitest';
import { imageToWire } from '../../../../src/daemon/api/convert-image.ts';
import { isImageText, parseImageName, parseImportImage, parsePullImage, parseRemoveImage } from '../../../../src/daemon/api/validate-image.ts';
import { ImportImageRequest, PullImageRequest, PullPolicy, RemoveImageRequest } from '../../../../src/gen/vivarium/v1/image.ts';
import { digest, imageRecordOf } from '../../../fakes/image-world.ts';
import { violationsOf } from './field-violations.ts';

const pull = (fields: Parameters<typeof PullImageRequest.fromPartial>[0]): ReturnType<typeof parsePullImage> => parsePullImage(PullImageRequest.fromPartial({ reference: 'busybox', ...fields }));
const importing = (fields: Parameters<typeof ImportImageRequest.fromPartial>[0]): ReturnType<typeof parseImportImage> => parseImportImage(ImportImageRequest.fromPartial({ path: '/x', ...fields }));

describe('a request for an image', () => {
  it('is taken with everything it says', () => {
    expect(pull({ requestId: 'r', policy: PullPolicy.PULL_POLICY_ALWAYS, insecure: true, platform: 'linux/arm/v7', auth: { username: 'u', password: 'p' } })).toEqual({
      requestId: 'r', spec: { reference: 'busybox', policy: 'always', insecure: true, platform: { os: 'linux', architecture: 'arm', variant: 'v7' }, auth: { username: 'u', password: 'p', identityToken: '' } },
    });
    expect(pull({}).spec).toEqual({ reference: 'busybox', policy: 'missing', insecure: false, platform: undefined, auth: undefined });
    expect(importing({ reference: 'mine:1', config: { command: ['sh'], volumes: ['/data'], labels: { a: 'b' } } }).spec).toMatchObject({ path: '/x', reference: 'mine:1', settings: { command: ['sh'], volumes: ['/data'], labels: { a: 'b' } } });
    expect(parseRemoveImage(RemoveImageRequest.fromPartial({ reference: digest('c'), force: true }))).toEqual({ reference: digest('c'), force: true, requestId: '' });
  });

  it('is refused with every wrong field at once', () => {
    expect(Object.keys(violationsOf(() => pull({ reference: 'A b', policy: 9 as PullPolicy, platform: 'amd64', auth: { username: 'a:b', identityToken: 't' }, requestId: 'with blank' })))).toEqual(['policy', 'reference', 'auth', 'auth.username', 'platform', 'request_id']);
    expect(violationsOf(() => pull({ reference: '', auth: {} }))).toMatchObject({ reference: 'is required', auth: 'is empty' });
    expect(Object.keys(violationsOf(() => importing({ path: 'x', reference: `a@${digest('1')}`, config: { volumes: ['data'], workingDir: 'w', env: ['a\0b'], labels: { '-': 'x' } } })))).toEqual([
      'reference', 'path', 'config.env[0]', 'config.volumes[0]', 'config.working_dir', 'config.labels["-"]',
    ]);
    expect(violationsOf(() => parseImageName('x'.repeat(600)))).toHaveProperty('reference');
  });

  it.each([['busybox', true], ['registry.example:5000/a/b:1', true], [`app@${digest('a')}`, true], [digest('a'), true], ['cafe', true], ['a'.repeat(64), true], ['../x', false], ['', false]])('"%s" may stand for one: %s', (text, may) => {
    expect(isImageText(text)).toBe(may);
  });
});

it('an image is told with everything that is known of it', () => {
  const image = { name: 'app:1', digest: digest('c'), lowers: [], entrypoint: ['/app'], command: [], env: [], workingDir: '/', user: '', stopSignal: '', volumes: [], sizeBytes: 100, source: 'registry' };
  expect(imageToWire({ image: { ...image, pulled: { record: imageRecordOf({ createdAtMs: 5 }), names: ['docker.io/library/app:1'] } }, usedBy: ['c1'] })).toMatchObject({
    name: 'app:1', names: ['docker.io/library/app:1'], manifestDigest: digest('e'), architecture: 'amd64', os: 'linux', createdAt: new Date(5), pulledAt: new Date(1), usedBy: ['c1'],
    layers: [{ diffId: digest('1'), digest: digest('b'), sizeBytes: 10n, unpackedBytes: 100n }], config: { env: [] },
  });
  expect(imageToWire({ image: { ...image, pulled: undefined }, usedBy: [] })).toMatchObject({ names: ['app:1'], manifestDigest: '', layers: [], config: undefined });
});
