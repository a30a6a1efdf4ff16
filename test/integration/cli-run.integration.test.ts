import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Status } from 'nice-grpc';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PullPolicy } from '../../src/gen/vivarium/v1/image.ts';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { refused } from './cli-refused.ts';
import { CliRun } from './cli-harness.ts';

let daemon: FakeDaemon;
beforeEach(async () => { daemon = await FakeDaemon.start(); });
afterEach(async () => { await daemon.stop(); });

const viv = (argv: readonly string[], options: Partial<ConstructorParameters<typeof CliRun>[1]> = {}): CliRun => new CliRun(argv, { host: daemon.address, ...options });

test('run prints each stream on its own and ends with the process\'s code', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'out\n');
    process.write('stderr', 'err\n');
    return 7;
  };
  const run = viv(['run', '--rm', 'busybox', '--', 'sh', '-c', 'exit 7']);
  expect(await run.exitCode).toBe(7);
  expect(run.stdout.text).toBe('out\n');
  expect(run.stderr.text).toBe('err\n');
  expect(daemon.created.containers[0]?.spec?.args).toEqual(['sh', '-c', 'exit 7']);
  expect(daemon.created.sandboxes[0]?.spec?.autoRemove).toBe(true);
  expect(daemon.attachStarts[0]).toMatchObject({ replay: true, startContainer: true, stdin: false });
  expect(daemon.sandboxes.size).toBe(0);
});

test('run --bundle gives the new sandbox the bundle\'s host name, unless another was said', async () => {
  const bundle = await mkdtemp('/tmp/vv-bundle-');
  try {
    await writeFile(join(bundle, 'config.json'), JSON.stringify({ ociVersion: '1.0.2', hostname: 'from-bundle' }));
    for (const argv of [[], ['--hostname', 'said']]) expect(await viv(['run', '--rm', '--bundle', bundle, ...argv]).exitCode).toBe(0);
    await writeFile(join(bundle, 'config.json'), 'no JSON');
    expect(await viv(['run', '--rm', '--bundle', bundle]).exitCode).toBe(0);
  } finally {
    await rm(bundle, { recursive: true });
  }
  expect(daemon.created.sandboxes.map(({ spec }) => spec?.hostname)).toEqual(['from-bundle', 'said', '']);
});

test('run --request-id gives its requests ids of that one, in their order', async () => {
  for (let time = 0; time < 2; time += 1) expect(await viv(['--request-id', 'job-1', 'run', 'busybox', 'true']).exitCode).toBe(0);
  expect(daemon.created.sandboxes.map(({ requestId }) => requestId)).toEqual(['job-1', 'job-1']);
  expect(daemon.created.containers.map(({ requestId }) => requestId)).toEqual(['job-1-2', 'job-1-2']);
  expect(daemon.attachStarts.map(({ requestId }) => requestId)).toEqual(['job-1-3', 'job-1-3']);
});

test('run without --rm leaves the sandbox', async () => {
  const run = viv(['run', 'busybox', 'true']);
  expect(await run.exitCode).toBe(0);
  expect(daemon.sandboxes.size).toBe(1);
  expect(daemon.created.sandboxes[0]?.spec?.autoRemove).toBe(false);
});

test('run --sandbox joins it and removes only the container', async () => {
  const sandbox = daemon.addSandbox({ spec: { name: 'sb' } });
  const run = viv(['run', '--rm', '--sandbox', 'sb', 'busybox', 'true']);
  expect(await run.exitCode).toBe(0);
  expect(daemon.created.sandboxes).toHaveLength(0);
  expect(daemon.created.containers[0]).toMatchObject({ sandboxId: 'sb', spec: { autoRemove: true } });
  expect([...daemon.sandboxes.keys()]).toEqual([sandbox.id]);
  expect(daemon.containers.size).toBe(0);
});

test('run -d prints the id and leaves the container running', async () => {
  const run = viv(['run', '-d', '--rm', 'busybox', 'sleep', '9']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toBe(`${[...daemon.containers.keys()][0] ?? ''}\n`);
  expect(daemon.calls).toEqual(['createSandbox', 'createContainer', 'startContainer']);
});

test('run --timings prints the phases of every step to standard error', async () => {
  const run = viv(['run', '--rm', '--timings', 'busybox', 'true']);
  expect(await run.exitCode).toBe(0);
  expect(run.stderr.text).toMatch(/create sandbox[^]*vmm_launch +1\.0 ms +12\.3 ms[^]*create container[^]*rootfs[^]*mode: qemu 7\.2, tcg/);
  expect(run.stdout.text).toBe('');
});

test('stdin of 50 MB reaches a slow process whole, with at most 1 MiB under way', async () => {
  const sum = createHash('sha256');
  let most = 0;
  daemon.script = async (process) => {
    for (let count = 0; ; count += 1) {
      const chunk = await process.read();
      if (chunk === undefined) break;
      sum.update(chunk);
      if (count % 64 === 0) await sleep(2);
    }
    most = process.mostUnacked;
    process.write('stdout', 'done');
    return 0;
  };
  const run = viv(['run', '-i', '--rm', 'busybox', 'cat']);
  const expected = createHash('sha256');
  const block = Buffer.alloc(1 << 20, 'vivarium ');
  for (let mebibyte = 0; mebibyte < 50; mebibyte += 1) {
    expected.update(block);
    if (!run.stdin.write(block)) await new Promise((resolve) => run.stdin.once('drain', resolve));
  }
  run.stdin.end();
  expect(await run.exitCode).toBe(0);
  expect(sum.digest('hex')).toBe(expected.digest('hex'));
  expect(most).toBeLessThanOrEqual(1 << 20);
  expect(run.stdout.text).toBe('done');
});

test('64 MiB of output arrive whole and are acknowledged', async () => {
  const size = 64 << 20;
  const data = Buffer.alloc(size, 'x');
  daemon.script = async (process) => {
    process.write('stdout', data);
    return 0;
  };
  const run = viv(['run', '--rm', 'busybox', 'cat']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.length).toBe(size);
  // The last bytes may be acknowledged by the end of the stream alone.
  expect(Number([...daemon.processes.values()][0]?.acks.at(-1)?.stdout)).toBeGreaterThanOrEqual(size - (1 << 20));
});

test('a process that could not be started gives 127, and its sandbox goes with --rm', async () => {
  daemon.beforeStart = () => { throw refused(Status.FAILED_PRECONDITION, 'PROCESS_START_FAILED', 'exec: "nope": no such file or directory', { exit_code: '127' }); };
  const run = viv(['run', '--rm', 'busybox', 'nope']);
  expect(await run.exitCode).toBe(127);
  expect(run.stderr.text).toBe('viv: exec: "nope": no such file or directory\n');
  expect(daemon.sandboxes.size).toBe(0);
});

test('a program that can not be executed gives 126', async () => {
  daemon.beforeStart = () => { throw refused(Status.FAILED_PRECONDITION, 'PROCESS_START_FAILED', 'permission denied', { exit_code: '126' }); };
  expect(await viv(['run', '--rm', 'busybox', '/etc/passwd']).exitCode).toBe(126);
});

test('when the container can\'t be created, the sandbox made for it is removed and 125 returned', async () => {
  daemon.beforeCreateContainer = () => { throw refused(Status.NOT_FOUND, 'IMAGE_NOT_FOUND', 'there is no image "nope"', { remedy: 'see viv image ls' }); };
  const run = viv(['run', 'nope']);
  expect(await run.exitCode).toBe(125);
  expect(run.stderr.text).toBe('viv: there is no image "nope"\n  fix: see viv image ls\n');
  expect(daemon.sandboxes.size).toBe(0);
});

test('an image that is missing is fetched, with its progress, and the container is made then', async () => {
  daemon.beforeCreateContainer = () => {
    if (!daemon.images.images.some(({ name }) => name === 'registry.test/app:1')) throw refused(Status.NOT_FOUND, 'IMAGE_NOT_FOUND', 'there is no image');
  };
  const run = viv(['run', '--rm', 'registry.test/app:1']);
  expect(await run.exitCode).toBe(0);
  expect(run.stderr.text).toBe('resolving\n111111111111: fetching 2 MiB\n111111111111: done\n');
  expect(daemon.images.pulls.map(({ reference, policy }) => [reference, policy])).toEqual([['registry.test/app:1', PullPolicy.PULL_POLICY_MISSING]]);
  expect(daemon.created.sandboxes).toHaveLength(1);
});

test('--pull always asks the registry before anything is made, never not at all', async () => {
  expect(await viv(['run', '--rm', '--pull', 'always', 'registry.test/other']).exitCode).toBe(125);
  expect(daemon.created.sandboxes).toHaveLength(0);
  daemon.beforeCreateContainer = () => { throw refused(Status.NOT_FOUND, 'IMAGE_NOT_FOUND', 'there is no image'); };
  expect(await viv(['run', '--rm', '--pull', 'never', 'registry.test/app:1']).exitCode).toBe(125);
  expect(daemon.images.pulls.map(({ policy }) => policy)).toEqual([PullPolicy.PULL_POLICY_ALWAYS]);
  expect(await viv(['run', '--pull', 'sometimes', 'busybox']).exitCode).toBe(2);
});

test('Ctrl-C while the sandbox is created cancels the call and gives 130', async () => {
  const cancelled = new Promise<void>((resolve) => {
    daemon.beforeCreateSandbox = async ({ signal }) => {
      run.signal('SIGINT');
      await new Promise<void>((aborted) => { signal.addEventListener('abort', () => { aborted(); }); });
      resolve();
      signal.throwIfAborted();
    };
  });
  const run = viv(['run', 'busybox']);
  expect(await run.exitCode).toBe(130);
  await cancelled;
  expect(run.stderr.text).toBe('');
});

test('Ctrl-C while the process is started leaves nothing behind, also without --rm', async () => {
  const container = new Promise<void>((resolve) => {
    daemon.beforeStart = () => {
      run.signal('SIGINT');
      resolve();
    };
  });
  const run = viv(['run', 'busybox', 'sleep', '9']);
  expect(await run.exitCode).toBe(130);
  await container;
  expect(daemon.sandboxes.size).toBe(0);
});

test('a container that could not be started stays without --rm', async () => {
  daemon.beforeStart = () => { throw refused(Status.FAILED_PRECONDITION, 'PROCESS_START_FAILED', 'no such file'); };
  expect(await viv(['run', 'busybox', 'nope']).exitCode).toBe(127);
  expect(daemon.containers.size).toBe(1);
  expect(daemon.sandboxes.size).toBe(1);
});

test('signals go to the process; three in a row leave it alone', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'up');
    await process.until(() => process.signals.length === 1);
    process.write('stdout', ` ${process.signals[0] ?? ''}`);
    await new Promise(() => undefined);
    return 0;
  };
  const run = viv(['run', '--rm', 'busybox', 'sleep', '9']);
  await run.stdout.until((text) => text === 'up');
  run.signal('SIGTERM');
  await run.stdout.until((text) => text === 'up SIGTERM');
  run.signal('SIGINT');
  run.signal('SIGINT');
  expect(await run.exitCode).toBe(130);
  expect(run.stderr.text).toContain('the process goes on');
  expect(daemon.sandboxes.size).toBe(1);
});

test('a broken standard output ends quietly and takes what --rm made away', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'y\n');
    await new Promise(() => undefined);
    return 0;
  };
  const run = viv(['run', '--rm', 'busybox', 'yes'], { prepare: ({ stdout }) => { stdout.broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }); } });
  expect(await run.exitCode).toBe(141);
  expect(run.stderr.text).toBe('');
  expect(daemon.sandboxes.size).toBe(0);
});
