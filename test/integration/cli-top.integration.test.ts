import { afterEach, beforeEach, expect, test } from 'vitest';
import { SandboxState } from '../../src/gen/vivarium/v1/sandbox.ts';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { CliRun } from './cli-harness.ts';

let daemon: FakeDaemon;
beforeEach(async () => { daemon = await FakeDaemon.start(); });
afterEach(async () => { await daemon.stop(); });

const viv = (argv: readonly string[], options: Partial<ConstructorParameters<typeof CliRun>[1]> = {}): CliRun => new CliRun(argv, { host: daemon.address, ...options });

test('top prints every sandbox with its containers once where there is no terminal', async () => {
  const sandbox = daemon.addSandbox({ spec: { name: 'vm' }, state: SandboxState.SANDBOX_STATE_RUNNING, memoryBytes: 1n << 28n });
  daemon.addSandbox({ spec: { name: 'old' }, state: SandboxState.SANDBOX_STATE_STOPPED });
  daemon.addContainer({ sandboxId: sandbox.id, spec: { name: 'job' }, startedAt: new Date(Date.now() - 65_000) });
  const run = viv(['top', '--interval', '100ms']);
  await expect(run.exitCode).resolves.toBe(0);
  expect(run.stdout.text).toMatch(/^NAME .*\nvm +\w{10} +running +[\d.]+ % .*\n {2}job +\w{10} +running .* 1 minute\n$/);
  const json = viv(['top', '--interval', '100ms', '-o', 'json'], { tty: true });
  await json.exitCode;
  expect(JSON.parse(json.stdout.text)).toMatchObject({ sandboxes: [{ name: 'vm', memoryLimitBytes: '268435456', containers: [{ name: 'job' }] }] });
});

test.each([['q', 0], ['\u0003', 130]])('top is drawn again and again on a terminal, which is as before after %j', async (key, code) => {
  daemon.addSandbox({ spec: { name: 'vm' }, state: SandboxState.SANDBOX_STATE_RUNNING });
  const run = viv(['top', '--interval', '100ms'], { tty: true });
  await run.stdout.until((text) => text.split('\u001b[H').length > 3);
  run.stdin.write(key);
  await expect(run.exitCode).resolves.toBe(code);
  expect(run.stdout.text.startsWith('\u001b[?1049h\u001b[?25l')).toBe(true);
  expect(run.stdout.text.endsWith('\u001b[?25h\u001b[?1049l')).toBe(true);
  expect(run.stdin.raw).toEqual([true, false]);
});

test('top outlives a daemon that goes away, and says so meanwhile', async () => {
  daemon.addSandbox({ spec: { name: 'vm' }, state: SandboxState.SANDBOX_STATE_RUNNING });
  const run = viv(['top', '--interval', '100ms'], { tty: true });
  await run.stdout.until((text) => text.includes('running'));
  await daemon.vanish();
  await run.stdout.until((text) => text.includes('the daemon is away'));
  daemon.addSandbox({ spec: { name: 'later' }, state: SandboxState.SANDBOX_STATE_RUNNING });
  await daemon.listen();
  await run.stdout.until((text) => text.includes('later'));
  run.stdin.write('q');
  await expect(run.exitCode).resolves.toBe(0);
});

test('top refuses what it cannot sort by, and an interval that is none', async () => {
  for (const argv of [['top', '--sort', 'size'], ['top', '--interval', '1ms'], ['top', '-o', 'xml']]) await expect(viv(argv).exitCode).resolves.toBe(2);
});
