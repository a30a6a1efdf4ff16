import { afterEach, beforeEach, expect, test } from 'vitest';
import { PullPolicy } from '../../src/gen/vivarium/v1/image.ts';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { CliRun } from './cli-harness.ts';

let daemon: FakeDaemon;
beforeEach(async () => { daemon = await FakeDaemon.start(); });
afterEach(async () => { await daemon.stop(); });

type Options = Partial<ConstructorParameters<typeof CliRun>[1]> & { readonly input?: string };

async function outcome(argv: readonly string[], { input, ...options }: Options = {}): Promise<{ code: number; out: string; err: string }> {
  const run = new CliRun(argv, { host: daemon.address, ...options });
  run.stdin.end(input ?? '');
  const code = await run.exitCode;
  return { code, out: run.stdout.text, err: run.stderr.text };
}

const APP = `sha256:${'a'.repeat(64)}`;

test('pull prints the id, and one line for each step of a layer', async () => {
  expect(await outcome(['pull', 'registry.test/app:1'])).toEqual({ code: 0, out: `${APP}\n`, err: 'resolving\n111111111111: fetching 2 MiB\n111111111111: done\nregistry.test/app:1: 1 layer, 2 MiB fetched\n' });
  expect(daemon.images.pulls).toMatchObject([{ reference: 'registry.test/app:1', policy: PullPolicy.PULL_POLICY_ALWAYS, insecure: false, platform: '' }]);
});

test('pull draws one bar a layer on a terminal', async () => {
  const { err } = await outcome(['image', 'pull', 'registry.test/app:1'], { tty: true, prepare: (run) => { Object.assign(run.stderr, { isTTY: true, columns: 80, rows: 24 }); } });
  expect(err).toContain('\r\u001b[K111111111111 fetching   [############------------]  50 % 2 MiB\n');
  expect(err).toContain('\u001b[1A\r\u001b[K111111111111 done\n');
});

test('-q prints the id alone', async () => {
  expect(await outcome(['pull', '-q', 'registry.test/app:1'])).toEqual({ code: 0, out: `${APP}\n`, err: '' });
});

test('a password is read from standard input, and never asked for where there is no user', async () => {
  await outcome(['pull', '--username', 'me', '--password-stdin', '--insecure', '--platform', 'linux/arm64', 'registry.test/app:1'], { input: 'secret\n' });
  expect(daemon.images.pulls[0]).toMatchObject({ auth: { username: 'me', password: 'secret' }, insecure: true, platform: 'linux/arm64' });
  await outcome(['pull', '--creds', 'me:a:b', 'registry.test/app:1']);
  expect(daemon.images.pulls[1]).toMatchObject({ auth: { username: 'me', password: 'a:b' } });
  for (const wrong of [['--password-stdin'], ['--creds', 'me'], ['--creds', 'me:x', '--username', 'you'], ['--policy', 'now']]) expect((await outcome(['pull', ...wrong, 'x'])).code).toBe(2);
});

test('an image that a registry does not have is told, with what to do', async () => {
  expect(await outcome(['pull', 'nope'])).toEqual({ code: 1, out: '', err: 'viv: there is no image "nope"\n  fix: see viv image ls\n' });
});

test('image ls, images and -q show what there is, wide with names and platform', async () => {
  expect((await outcome(['image', 'ls'])).out).toMatch(/^NAME +ID +COMMAND +SIZE +PULLED +IN USE\nbusybox +bbbbbbbbbbbb +sh +1 MiB +- +1\n$/);
  expect((await outcome(['images', '-o', 'wide'])).out).toContain('docker.io/library/busybox:latest');
  expect((await outcome(['images', '-q'])).out).toBe(`sha256:${'b'.repeat(64)}\n`);
  expect((await outcome(['images', 'nothing', '-q'])).out).toBe('');
  expect(JSON.parse((await outcome(['images', '-o', 'json'])).out)).toMatchObject({ images: [{ name: 'busybox' }], totalBytes: '3145728' });
});

test('image inspect prints a JSON array', async () => {
  expect(JSON.parse((await outcome(['image', 'inspect', 'busybox'])).out)).toMatchObject([{ name: 'busybox', usedBy: ['c1'] }]);
});

test('rm says what it took away; what is in use needs force', async () => {
  expect(await outcome(['rmi', 'busybox'])).toEqual({ code: 1, out: '', err: 'viv: 1 container uses the image: c1\n  fix: delete it first\n' });
  expect(await outcome(['image', 'rm', '-f', 'busybox'])).toEqual({ code: 0, out: `untagged docker.io/library/busybox:latest\ndeleted sha256:${'b'.repeat(64)}\n`, err: '' });
});

test('prune says how much it freed', async () => {
  for (const quiet of [[], ['-f'], ['--force']]) expect(await outcome(['image', 'prune', ...quiet])).toEqual({ code: 0, out: '', err: '0 B freed\n' });
  expect(await outcome(['image', 'prune', '--all'])).toEqual({ code: 0, out: 'untagged docker.io/library/busybox:latest\ndeleted sha256:b\n', err: '1 MiB freed\n' });
});

test('import hands on what containers of a root file system run, with an absolute path', async () => {
  const { code, out, err } = await outcome(['image', 'import', 'tree', 'mine:2', '--entrypoint', 'sh -c', '--cmd', 'date', '-e', 'A=1', '-w', '/w', '-u', 'web', '--stop-signal', 'SIGINT', '--volume', '/data', '-l', 'a=b']);
  expect({ code, out, err }).toEqual({ code: 0, out: 'sha256:c\n', err: 'mine: 2 layers\n' });
  expect(daemon.images.imports).toMatchObject([{
    path: '/tmp/tree', reference: 'mine:2', config: { entrypoint: ['sh', '-c'], command: ['date'], env: ['A=1'], workingDir: '/w', user: 'web', stopSignal: 'SIGINT', volumes: ['/data'], labels: { a: 'b' } },
  }]);
});
