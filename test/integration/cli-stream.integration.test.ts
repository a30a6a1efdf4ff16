import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Status } from 'nice-grpc';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { refused } from './cli-refused.ts';
import { CliRun } from './cli-harness.ts';

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await FakeDaemon.start();
  daemon.addContainer({ spec: { name: 'web', stdin: true } });
});
afterEach(async () => { await daemon.stop(); });

const viv = (argv: readonly string[], options: Partial<ConstructorParameters<typeof CliRun>[1]> = {}): CliRun => new CliRun(argv, { host: daemon.address, ...options });
const forever = new Promise<never>(() => undefined);

test('exec sends everything after the container as command and ends with its code', async () => {
  daemon.script = async () => 3;
  const run = viv(['exec', '-e', 'A=1', '-w', '/tmp', '-u', '1:2', 'web', 'ls', '-l', '-e', 'x']);
  expect(await run.exitCode).toBe(3);
  expect(daemon.execStarts[0]).toMatchObject({ containerId: 'web', command: ['ls', '-l', '-e', 'x'], env: ['A=1'], workingDir: '/tmp', user: '1:2', tty: false, stdin: false });
});

test('exec of an unknown container says so with the remedy and gives 125', async () => {
  const run = viv(['exec', 'nope', 'true']);
  expect(await run.exitCode).toBe(125);
  expect(run.stderr.text).toBe('viv: there is no container "nope"\n  fix: see viv ps -a\n');
});

test('on a terminal: raw mode, size, resize, detach keys, and all as before afterwards', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'prompt');
    for (let chunk = await process.read(); chunk !== undefined; chunk = await process.read()) process.write('stdout', `<${chunk.toString('hex')}>`);
    return 0;
  };
  const run = viv(['exec', '-it', 'web', 'sh'], { tty: true });
  await run.stdout.until((text) => text.includes('prompt'));
  expect(run.stdin.raw).toEqual([true]);
  expect(daemon.execStarts[0]?.ttySize).toEqual({ rows: 24, columns: 80 });
  Object.assign(run.stdout, { columns: 100 });
  run.signal('SIGWINCH');
  const process = [...daemon.processes.values()][0];
  await process?.until(() => process.sizes.at(-1)?.columns === 100);
  // A lone ctrl-p is held back, and let go with what follows.
  run.stdin.write(Buffer.from([0x61, 0x10]));
  await run.stdout.until((text) => text.includes('<61>'));
  run.stdin.write('b');
  await run.stdout.until((text) => text.includes('<1062>'));
  run.stdin.write(Buffer.from([0x10, 0x11, 0x63]));
  expect(await run.exitCode).toBe(0);
  expect(run.stdin.raw).toEqual([true, false]);
  expect(run.stdout.text).toBe('prompt<61><1062>');
});

test('-it without a terminal is refused before anything happens', async () => {
  const run = viv(['exec', '-it', 'web', 'sh']);
  expect(await run.exitCode).toBe(1);
  expect(daemon.execStarts).toHaveLength(0);
});

test('a stream that breaks is resumed: nothing is lost, nothing comes twice, in either direction', async () => {
  const sum = createHash('sha256');
  const size = 6 << 20;
  const output = Buffer.from(Array.from({ length: 400_000 }, (_, index) => `${index}\n`).join(''));
  daemon.script = async (process) => {
    let taken = 0;
    process.write('stdout', output.subarray(0, output.length / 2));
    for (let chunk = await process.read(); chunk !== undefined; chunk = await process.read()) {
      sum.update(chunk);
      taken += chunk.length;
      await sleep(1);
    }
    process.write('stdout', output.subarray(output.length / 2));
    return taken === size ? 0 : 1;
  };
  const run = viv(['exec', '-i', 'web', 'cat']);
  const input = Buffer.alloc(size, 'stdin bytes ');
  run.stdin.end(input);
  await run.stdout.until(() => run.stdout.length > 10_000);
  for (let round = 0; round < 3; round += 1) {
    await daemon.vanish();
    await sleep(120);
    await daemon.listen();
    await sleep(200);
  }
  expect(await run.exitCode).toBe(0);
  expect(sum.digest('hex')).toBe(createHash('sha256').update(input).digest('hex'));
  expect(Buffer.concat(run.stdout.chunks).equals(output)).toBe(true);
  expect(daemon.resumes.length).toBeGreaterThan(0);
  // Shorter than 2 s: not worth a word.
  expect(run.stderr.text).toBe('');
});

test('a break of more than two seconds is told, and its end', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'up');
    await process.until(() => process.signals.length > 0);
    return 0;
  };
  const run = viv(['exec', 'web', 'sleep', '9']);
  await run.stdout.until((text) => text === 'up');
  await daemon.vanish();
  await run.stderr.until((text) => text.includes('lost the connection'));
  await daemon.listen();
  await run.stderr.until((text) => text.includes('connected to the daemon again'));
  run.signal('SIGTERM');
  expect(await run.exitCode).toBe(0);
});

test('a process that is gone after a break is an error', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'up');
    await forever;
    return 0;
  };
  const run = viv(['exec', 'web', 'sleep', '9']);
  await run.stdout.until((text) => text === 'up');
  await daemon.vanish();
  daemon.processes.clear();
  await daemon.listen();
  expect(await run.exitCode).toBe(125);
  expect(run.stderr.text).toMatch(/^viv: there is no process/);
});

test('lost bytes are a warning on standard error', async () => {
  daemon.script = async (process) => {
    process.write('stdout', '0123456789');
    process.lost = { from: 0n, to: 6n };
    process.changed();
    return 0;
  };
  const run = viv(['exec', 'web', 'x']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toBe('6789');
  expect(run.stderr.text).toBe('viv: warning: 6 bytes of stdout were lost (0 to 6)\n');
});

test('output that may be lost and that nobody counted is a warning as well', async () => {
  daemon.script = async (process) => {
    process.write('stdout', '0123');
    process.lost = { from: 0n, to: 0n };
    process.changed();
    return 0;
  };
  const run = viv(['exec', 'web', 'x']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toBe('0123');
  expect(run.stderr.text).toBe('viv: warning: some bytes of stdout may be lost at 0\n');
});

test('a slow reader of our output slows the process and not our memory', async () => {
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => { open = resolve; });
  daemon.script = async (process) => {
    process.write('stdout', Buffer.alloc(8 << 20, 'z'));
    return 0;
  };
  const run = viv(['exec', 'web', 'cat'], { prepare: ({ stdout }) => { stdout.gate = gate; } });
  await sleep(300);
  expect(run.stdout.writableLength).toBeLessThanOrEqual(1 << 20);
  run.stdout.gate = undefined;
  open();
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.length).toBe(8 << 20);
});

test('attach takes part in stdin when the container has one', async () => {
  daemon.script = async (process) => {
    const chunk = await process.read();
    process.write('stdout', chunk ?? '');
    return 5;
  };
  const run = viv(['attach', 'web']);
  run.stdin.end('hello');
  expect(await run.exitCode).toBe(5);
  expect(run.stdout.text).toBe('hello');
  expect(daemon.attachStarts[0]).toMatchObject({ stdin: true, startContainer: false, replay: false });
});

test('start -a starts it on the stream and ends with its code', async () => {
  daemon.script = async () => 4;
  const run = viv(['start', '-a', 'web']);
  expect(await run.exitCode).toBe(4);
  expect(daemon.attachStarts[0]).toMatchObject({ startContainer: true, replay: true, stdin: false });
});

test('start alone fails with 1, start -a with 125 when it was not the process', async () => {
  expect(await viv(['start', 'nope']).exitCode).toBe(1);
  expect(await viv(['start', '-a', 'nope']).exitCode).toBe(125);
});

test('exec -d prints the exec\'s id and leaves', async () => {
  daemon.script = async () => await forever;
  const run = viv(['exec', '-d', 'web', 'sleep', '9']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.text).toMatch(/^exec-\d+\n$/);
});

test('a daemon that is going down and refuses the exec is told as it says it', async () => {
  daemon.beforeStart = () => { throw refused(Status.UNAVAILABLE, 'SHUTTING_DOWN', 'the daemon is shutting down'); };
  const run = viv(['exec', 'web', 'true']);
  expect(await run.exitCode).toBe(125);
  expect(run.stderr.text).toBe('viv: the daemon is shutting down\n');
});
