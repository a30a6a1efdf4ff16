import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventType } from '../../src/gen/vivarium/v1/event.ts';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { CliRun } from './cli-harness.ts';

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await FakeDaemon.start();
  daemon.addSandbox({ spec: { name: 'box' } });
  daemon.addContainer({ spec: { name: 'web' } });
});
afterEach(async () => { await daemon.stop(); });

const viv = (argv: readonly string[], options: Partial<ConstructorParameters<typeof CliRun>[1]> = {}): CliRun => new CliRun(argv, { host: daemon.address, ...options });

test('events are a line each, or an object a line; what is not kept any more is said', async () => {
  daemon.observers.events = [
    { cursor: '8', at: new Date(0), type: EventType.EVENT_TYPE_CONTAINER_EXITED, sandboxId: 'sandbox-0123456789', containerId: 'container-9876543210', name: 'web', exitCode: 7 },
  ];
  daemon.observers.lostEvents = true;
  const text = viv(['events', '--since', '3', '--filter', 'type=container_exited']);
  expect(await text.exitCode).toBe(0);
  expect(text.stdout.text).toBe('1970-01-01T00:00:00.000Z container_exited sandbox=0123456789 container=9876543210 name=web exit=7\n');
  expect(text.stderr.text).toBe('viv: warning: events after cursor 3 are not kept any more\n');
  expect(daemon.observers.watched[0]).toMatchObject({ cursor: '3', noFollow: false, types: [EventType.EVENT_TYPE_CONTAINER_EXITED] });
  const json = viv(['events', '--no-follow', '-o', 'json']);
  expect(await json.exitCode).toBe(0);
  expect(json.stdout.text.trim().split('\n').map((line) => JSON.parse(line) as unknown)).toMatchObject([{ lost: { nextCursor: '7' } }, { cursor: '8', exitCode: 7 }]);
  expect(daemon.observers.watched[1]).toMatchObject({ cursor: '0', noFollow: true });
});

test('guest build tells its steps and prints the directory', async () => {
  const run = viv(['guest', 'build', 'mine', '--module', 'ixgbe', '--file', 'a.sh:/bin/a:755']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toBe('/g/x\n');
  expect(run.stderr.text).toBe('kernel: linux-image\ninitramfs\nguest mine: built, kernel 6.1, 1 MiB\n');
  expect(daemon.observers.builds[0]).toMatchObject({ name: 'mine', modules: ['ixgbe'], files: [{ source: '/tmp/a.sh', destination: '/bin/a', mode: 0o755 }] });
});

test('guest build draws a bar on a terminal', async () => {
  const run = viv(['guest', 'build', 'mine'], { prepare: ({ stderr }) => { Object.assign(stderr, { isTTY: true, columns: 60 }); } });
  expect(await run.exitCode).toBe(0);
  expect(run.stderr.text).toContain('\r\u001b[Kkernel [############------------]  50 % linux-image\n');
});

test('stats tell CPU use over a second', async () => {
  const run = viv(['stats', '--no-stream', 'web']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toMatch(/^CONTAINER ID +CPU % +MEMORY +LIMIT +PIDS\n\w{10} +(4[5-9]|5[0-5])\.\d % +5 MiB +- +3\n$/);
});

test('sandbox stats show processes and guest', async () => {
  const run = viv(['sandbox', 'stats', '--no-stream', 'box']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toBe('PROCESS   PID   CPU TIME   RSS     PSS\nvmm       7     2.00 s     3 MiB   2 MiB\nguest: memory 1 MiB of 4 MiB, cpu 0.0 ms, load 0.50\n');
});

test('console shows what is kept', async () => {
  const run = viv(['sandbox', 'console', '--no-follow', 'box']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toBe('boot\n');
});

test('console -i types into it until the detach keys, and the terminal is as before', async () => {
  const run = viv(['sandbox', 'console', '-i', 'box'], { tty: true });
  await run.stdout.until((text) => text === 'boot\n');
  run.stdin.write('abc');
  await run.stdout.until((text) => text === 'boot\nABC');
  run.stdin.write(Buffer.from([0x10, 0x11]));
  expect(await run.exitCode).toBe(0);
  expect(run.stdin.raw).toEqual([true, false]);
});

test('a command that follows for ever ends by Ctrl-C with 130', async () => {
  const run = viv(['sandbox', 'console', 'box']);
  await run.stdout.until((text) => text === 'boot\n');
  run.signal('SIGINT');
  expect(await run.exitCode).toBe(130);
  expect(run.stderr.text).toBe('');
});
