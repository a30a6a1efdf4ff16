import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { CliRun } from './cli-harness.ts';

const root = join(import.meta.dirname, '..', '..');
const main = join(root, 'src/cli/main.ts');

let daemon: FakeDaemon;
let directory: string;
beforeEach(async () => {
  daemon = await FakeDaemon.start();
  directory = await mkdtemp('/tmp/vv-clip-');
});
afterEach(async () => {
  await daemon.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The command line as a process of its own, from its source. */
function spawnViv(argv: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', main, ...argv], { cwd: root, env: { ...process.env, VIVARIUM_HOST: daemon.address } });
}

async function text(stream: NodeJS.ReadableStream | null): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test('a reader that goes away (run … | head) ends the command quietly', async () => {
  daemon.script = async (fake) => {
    for (let line = 0; line < 200_000 && fake.exited === undefined; line += 1000) fake.write('stdout', 'y\n'.repeat(1000));
    return await new Promise<number>(() => undefined);
  };
  const child = spawnViv(['run', '--rm', 'busybox', 'yes']);
  const ended = once(child, 'exit');
  const err = text(child.stderr);
  await once(child.stdout ?? child, 'data');
  child.stdout?.destroy();
  expect(await ended).toEqual([141, null]);
  expect(await err).toBe('');
  expect(daemon.sandboxes.size).toBe(0);
});

test('a file on standard input, and all of the output, pass through a real process', async () => {
  daemon.script = async (fake) => {
    for (let chunk = await fake.read(); chunk !== undefined; chunk = await fake.read()) fake.write('stdout', chunk);
    return 42;
  };
  const child = spawnViv(['run', '-i', '--rm', 'busybox', 'cat']);
  const data = Buffer.alloc(3 << 20, 'through the pipe ');
  child.stdin?.end(data);
  const [out, ended] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect(out).toBe(data.toString());
  expect(ended).toEqual([42, null]);
});

test('SIGTERM to the command reaches the process', async () => {
  daemon.script = async (fake) => {
    fake.write('stdout', 'up');
    await fake.until(() => fake.signals.length > 0);
    return fake.signals[0] === 'SIGTERM' ? 143 : 1;
  };
  const child = spawnViv(['run', '--rm', 'busybox', 'sleep', '9']);
  await once(child.stdout ?? child, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([143, null]);
});

test('daemon start shows the log\'s tail when the daemon dies', async () => {
  const program = join(directory, 'vivd');
  await writeFile(program, '#!/bin/sh\necho "args: $*"\necho "cannot lock the directory" >&2\nexit 3\n');
  await chmod(program, 0o755);
  const run = new CliRun(['daemon', 'start', '--root', directory, '--run', directory], { host: `unix:${directory}/d.sock`, daemonProgram: program });
  expect(await run.exitCode).toBe(1);
  expect(run.stderr.text).toBe([
    'viv: the daemon did not start: it ended with code 3',
    `  args: --root ${directory} --run ${directory} --listen unix:${directory}/d.sock`,
    '  cannot lock the directory',
    `  fix: its log is ${directory}/vivd.log`,
    '',
  ].join('\n'));
});

test('daemon start waits until it serves, daemon stop until it is gone', async () => {
  const program = join(directory, 'vivd');
  await writeFile(join(directory, 'serve.mts'), daemonSource);
  await writeFile(program, `#!/bin/sh\nexec ${process.execPath} --import ${join(root, 'node_modules/tsx/dist/esm/index.mjs')} ${join(directory, 'serve.mts')} "$@"\n`);
  await chmod(program, 0o755);
  const options = { host: `unix:${directory}/d.sock`, daemonProgram: program };
  const start = new CliRun(['daemon', 'start', '--root', directory], options);
  expect([await start.exitCode, start.stderr.text]).toEqual([0, '']);
  const pid = Number(/\(pid (\d+)\)/.exec(start.stdout.text)?.[1]);
  expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).toContain('serve.mts');
  const again = new CliRun(['daemon', 'start', '--root', directory], options);
  expect(await again.exitCode).toBe(0);
  expect(again.stdout.text).toContain('runs already');
  const stop = new CliRun(['daemon', 'stop'], options);
  expect(await stop.exitCode).toBe(0);
  expect(stop.stdout.text).toBe(`stopped (pid ${pid}); 1 sandbox goes on\n`);
  expect(await new CliRun(['daemon', 'status'], options).exitCode).toBe(3);
});

const daemonSource = `
import { createServer } from '${root}/node_modules/nice-grpc/lib/index.js';
import { HealthDefinition } from '${root}/src/gen/grpc/health/v1/health.ts';
import { HostServiceDefinition } from '${root}/src/gen/vivarium/v1/host.ts';
import { SandboxServiceDefinition } from '${root}/src/gen/vivarium/v1/sandbox.ts';
const server = createServer();
const begun = Date.now();
const status = () => ({ status: Date.now() - begun > 200 ? 1 : 2 });
server.add(HealthDefinition, { check: async () => status(), async *watch() {
  yield status();
  await new Promise((resolve) => setTimeout(resolve, 250));
  yield status();
} });
const unused = async () => ({});
server.add(HostServiceDefinition, {
  ...Object.fromEntries(Object.keys(HostServiceDefinition.methods).map((method) => [method, unused])),
  getVersion: async () => ({ version: '1', pid: process.pid }),
});
server.add(SandboxServiceDefinition, {
  ...Object.fromEntries(Object.keys(SandboxServiceDefinition.methods).map((method) => [method, unused])),
  listSandboxes: async () => ({ sandboxes: [{ vmmPid: 7 }, { vmmPid: 0 }] }),
});
await server.listen(process.argv[process.argv.indexOf('--listen') + 1]);
process.on('SIGTERM', () => { server.forceShutdown(); process.exit(0); });
`;

test('a full disk under standard output is an error, not silence', async () => {
  const child = spawn('sh', ['-c', `exec ${process.execPath} --import tsx ${main} version > /dev/full`], { cwd: root, env: { ...process.env, VIVARIUM_HOST: daemon.address } });
  const err = text(child.stderr);
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(await err).toContain('viv: cannot write to standard output: ENOSPC');
});
