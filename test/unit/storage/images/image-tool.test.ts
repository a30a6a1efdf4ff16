import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../../../src/base/async-queue.ts';
import { deferred } from '../../../../src/base/abort.ts';
import type { Conversation, StartConversation } from '../../../../src/core/ports/conversations.ts';
import type { ImageProgress } from '../../../../src/core/ports/images.ts';
import { ImageToolClient } from '../../../../src/storage/images/image-tool.ts';
import { digest } from '../../../fakes/image-world.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64', variant: '' };
const LIMITS = { layerBytes: 1, imageBytes: 2, files: 3, layers: 4, stallMs: 1500, retries: 5, atOnce: 6 };
const RESULT = {
  fetched_bytes: 7,
  images: [{
    names: ['docker.io/library/x:1'], manifest_digest: digest('e'), config_digest: digest('c'), source: 'registry',
    config: { os: 'linux', architecture: 'arm64', variant: 'v8', created: '2026-01-02T03:04:05Z', config: { Cmd: ['sh'], Env: ['A=1'], User: 'web', Volumes: { '/data': {} }, ExposedPorts: { '80/tcp': {} }, Labels: null } },
    layers: [{ diff_id: digest('1'), chain_id: digest('1'), digest: digest('b'), size: 10, unpacked: 100 }],
  }],
};

/** One run of the tool, played by the test. */
class PlayedTool {
  readonly clock = new ManualClock();
  readonly lines = new AsyncQueue<string>(100);
  readonly exit = deferred<{ code: number; stderrTail: string }>();
  readonly progress: ImageProgress[] = [];
  input = '';
  signal: AbortSignal | undefined;
  ended = 0;

  get client(): ImageToolClient {
    const start: StartConversation = (_command, _args, { input, signal }): Conversation => {
      this.input = input;
      this.signal = signal;
      signal?.addEventListener('abort', () => { this.end(143); });
      return { lines: this.lines, exit: this.exit.promise, end: () => { this.ended += 1; } };
    };
    return new ImageToolClient({ start, clock: this.clock, program: '/bin/viv-image', store: '/store', mirrors: [{ url: 'http://m', insecure: true }], authFile: '/auth.json', limits: LIMITS });
  }

  pull(signal?: AbortSignal): ReturnType<ImageToolClient['pull']> {
    return this.client.pull({ reference: 'docker.io/library/x:1', platform: PLATFORM, insecure: false, auth: { username: 'u', password: 'p', identityToken: '' } }, (progress) => { this.progress.push(progress); }, { signal });
  }

  say(...values: readonly object[]): void {
    for (const value of values) this.lines.tryPush(JSON.stringify(value));
  }

  end(code = 0, stderrTail = ''): void {
    this.lines.end();
    this.exit.resolve({ code, stderrTail });
  }
}

describe('the image tool', () => {
  it('is asked in one line, and answers progress and a result', async () => {
    const tool = new PlayedTool();
    const pull = tool.pull();
    tool.say({ progress: { layer: digest('b'), step: 'fetching', done: 1, total: 10 } }, { progress: { layer: '', step: 'resolving' } }, { news: 1 }, { result: RESULT });
    tool.end();
    expect(await pull).toEqual({
      fetchedBytes: 7,
      images: [{
        names: ['docker.io/library/x:1'], manifestDigest: digest('e'), configDigest: digest('c'), source: 'registry', platform: { os: 'linux', architecture: 'arm64', variant: 'v8' }, createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
        settings: { entrypoint: [], command: ['sh'], env: ['A=1'], workingDir: '', user: 'web', stopSignal: '', volumes: ['/data'], exposedPorts: ['80/tcp'], labels: {} },
        layers: [{ diffId: digest('1'), chainId: digest('1'), digest: digest('b'), sizeBytes: 10, unpackedBytes: 100 }],
      }],
    });
    expect(tool.progress).toEqual([{ layer: digest('b'), step: 'fetching', doneBytes: 1, totalBytes: 10 }, { layer: '', step: 'resolving', doneBytes: 0, totalBytes: 0 }]);
    expect(JSON.parse(tool.input)).toEqual({
      version: 1, cmd: 'pull', store: '/store', reference: 'docker.io/library/x:1', platform: { os: 'linux', architecture: 'amd64' }, mirrors: [{ url: 'http://m', insecure: true }], insecure: false,
      auth: { username: 'u', password: 'p', identity_token: '' }, auth_file: '/auth.json',
      limits: { layer_bytes: 1, image_bytes: 2, files: 3, layers: 4, stall_seconds: 2, retries: 5, at_once: 6 },
    });
    expect([tool.input.endsWith('\n'), tool.ended, tool.clock.pending]).toEqual([true, 1, 0]);
  });

  it.each([['localhost/x:1', true], ['127.0.0.1:5000/x:1', true], ['[::1]:5000/x:1', true], ['127.example/x:1', false], ['docker.io/library/localhost:1', false]])('speaks to %s without TLS: %s', async (reference, insecure) => {
    const tool = new PlayedTool();
    const pull = tool.client.pull({ reference, platform: PLATFORM, insecure: false, auth: undefined }, () => undefined);
    tool.say({ result: { images: [] } });
    tool.end();
    await pull;
    expect(JSON.parse(tool.input)).toMatchObject({ insecure });
  });

  it.each([
    ['not_found', 'IMAGE_NOT_FOUND'], ['unauthorized', 'IMAGE_UNAUTHORIZED'], ['forbidden', 'IMAGE_UNAUTHORIZED'], ['rate_limited', 'IMAGE_RATE_LIMITED'], ['registry', 'IMAGE_PULL_FAILED'], ['unreachable', 'IMAGE_PULL_FAILED'],
    ['stalled', 'IMAGE_PULL_FAILED'], ['digest_mismatch', 'IMAGE_INVALID'], ['bad_image', 'IMAGE_INVALID'], ['wrong_platform', 'IMAGE_WRONG_PLATFORM'], ['too_large', 'IMAGE_TOO_LARGE'], ['storage_full', 'STORAGE_FULL'],
    ['io', 'HOST_RESOURCE'], ['cancelled', 'CANCELLED'], ['bad_request', 'INVALID_REQUEST'], ['new one', 'HOST_RESOURCE'],
  ])('says %s, which is %s', async (code, reason) => {
    const tool = new PlayedTool();
    const pull = tool.pull();
    tool.say({ error: { code, message: 'no', layer: digest('b'), status: 500 } });
    tool.end(1);
    await expect(pull).rejects.toMatchObject({ reason });
  });

  it('tells which layer and which status with what to do', async () => {
    const tool = new PlayedTool();
    const pull = tool.pull();
    tool.say({ error: { code: 'unauthorized', message: 'who are you', status: 401 } });
    tool.end(1);
    await expect(pull).rejects.toMatchObject({ message: 'pull docker.io/library/x:1: who are you', details: { facts: { image_code: 'unauthorized', status: '401' }, remedy: expect.stringContaining('--password-stdin') as string } });
  });

  it('names a path that is not there as the wrong field of an import', async () => {
    const tool = new PlayedTool();
    const work = tool.client.import({ path: '/x', platform: PLATFORM }, () => undefined);
    tool.say({ error: { code: 'not_found', message: '/x is not there' } });
    tool.end(1);
    await expect(work).rejects.toMatchObject({ reason: 'INVALID_REQUEST', details: { fields: [{ field: 'path', description: '/x is not there' }] } });
  });

  it('that ends without a word is told with its own', async () => {
    const tool = new PlayedTool();
    const pull = tool.pull();
    tool.end(101, 'thread main panicked');
    await expect(pull).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: 'pull docker.io/library/x:1: /bin/viv-image ended with code 101 and no result: thread main panicked' });
  });

  it.each(['no json', '{"result":{"images":[{"config_digest":"x"}]}}', '{"result":{"images":[{"config_digest":"sha256:x/../y"}]}}', `{"result":{"images":[{"config_digest":"${digest('c')}","config":{"config":{"Volumes":{"data":{}}}}}]}}`])('that says what none may say is ended: %s', async (line) => {
    const tool = new PlayedTool();
    const pull = tool.pull();
    tool.lines.tryPush(line);
    await expect(pull).rejects.toMatchObject({ reason: 'IMAGE_INVALID' });
    expect(tool.signal?.aborted).toBe(true);
  });

  it('is ended with its caller, whose reason it is', async () => {
    const tool = new PlayedTool();
    const caller = new AbortController();
    const pull = tool.pull(caller.signal);
    caller.abort(new Error('gone'));
    await expect(pull).rejects.toThrow('gone');
    expect(tool.clock.pending).toBe(0);
  });

  it('that says nothing for half an hour is ended, and each word begins that time anew', async () => {
    const tool = new PlayedTool();
    const pull = tool.pull();
    const failed = expect(pull).rejects.toMatchObject({ reason: 'DEADLINE' });
    await tool.clock.advance(29 * 60_000);
    tool.say({ progress: { layer: '', step: 'resolving' } });
    await tool.clock.advance(29 * 60_000);
    expect(tool.signal?.aborted).toBe(false);
    await tool.clock.advance(2 * 60_000);
    await failed;
  });
});
