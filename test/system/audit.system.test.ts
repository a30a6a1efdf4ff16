import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const FAKE_VMM = join(import.meta.dirname, '../../target/x86_64-unknown-linux-gnu/release/fake-vmm');

interface Audited {
  readonly kind: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: string;
  readonly attributes: Readonly<Record<string, string>>;
}

const FAKE = [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"'].join('\n');

async function allOf(daemon: TestDaemon): Promise<readonly Audited[]> {
  return (JSON.parse((await daemon.viv(['doctor', 'audit', '-o', 'json'])).stdout) as { readonly resources: readonly Audited[] }).resources;
}

/** Who a process is to its launch, by pid. */
async function pidOf(daemon: TestDaemon, role: string): Promise<number> {
  const found = (await allOf(daemon)).find(({ kind, name, attributes }) => kind === 'process' && name.includes('/vmm') && attributes['role'] === role);
  return Number(found?.attributes['pid']);
}

describe('the audit', () => {
  it('knows everything of a sandbox with a container, whatever state it is in, and nothing once it is deleted', async () => {
    await using daemon = await TestDaemon.start();
    await daemon.must('run', '-d', '--name', 'web', 'busybox', 'sleep', '600');
    const running = await allOf(daemon);
    expect(running.filter(({ state }) => state !== 'AUDIT_STATE_OWNED')).toEqual([]);
    // Control groups only where the host lets us make them.
    expect([...new Set(running.map(({ kind }) => kind))].filter((kind) => kind !== 'cgroup').sort()).toEqual(['directory', 'launcher', 'mount', 'process', 'socket']);
    const sandbox = running[0]?.sandboxId ?? '';
    await daemon.must('pause', 'web');
    await daemon.must('doctor', 'audit');
    await daemon.must('unpause', 'web');
    await daemon.must('sandbox', 'stop', sandbox);
    await daemon.must('doctor', 'audit');
    expect([...new Set((await allOf(daemon)).map(({ kind }) => kind))]).toEqual(['directory']);
    await daemon.must('sandbox', 'start', sandbox);
    await daemon.must('doctor', 'audit');
    await daemon.must('sandbox', 'rm', '-f', sandbox);
    expect((await allOf(daemon)).filter(({ kind }) => kind !== 'trash')).toEqual([]);
  });

  it.each(['launcher', 'scribe', 'child'])('finds nothing wrong after kill -9 of a VMM\'s %s, and of the daemon', async (role) => {
    await using daemon = await TestDaemon.start({ profiles: { fake: FAKE } });
    await daemon.must('sandbox', 'create', '--profile', 'fake');
    process.kill(await pidOf(daemon, role), 'SIGKILL');
    await daemon.crash();
    await daemon.boot();
    await expect.poll(async () => [...new Set((await allOf(daemon)).map(({ state }) => state))], { timeout: 20_000 }).toEqual(['AUDIT_STATE_OWNED']);
    await daemon.must('doctor', 'audit');
  });

  it('shows what no record claims, ends with 1, and removes it when asked', async () => {
    await using daemon = await TestDaemon.start({ profiles: { fake: FAKE } });
    await daemon.must('sandbox', 'create', '--profile', 'fake');
    const { instanceId } = (await daemon.json<{ server: { instanceId: string } }>('version')).server;
    const stray = join(daemon.run, 's/00000000aa');
    await mkdir(join(stray, 'shared'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(stray, 'shared')]);
    const process = spawn('/bin/sleep', ['600'], { env: { VIVARIUM_INSTANCE: instanceId, VIVARIUM_SANDBOX: '00000000aa' }, stdio: 'ignore' });
    const ended = once(process, 'exit');
    await once(process, 'spawn');

    const shown = await daemon.viv(['doctor', 'audit']);
    expect(shown.code).toBe(1);
    for (const line of [/^process +pid \d+ +00000000aa +orphaned/m, /^mount .*shared +00000000aa +orphaned/m, /^directory .*00000000aa +00000000aa +orphaned/m]) expect(shown.stdout).toMatch(line);
    expect(process.exitCode ?? process.signalCode).toBeNull();

    const reaped = await daemon.viv(['doctor', 'audit', '--reap']);
    expect(reaped).toMatchObject({ code: 0, stdout: expect.stringMatching(/removed process[^]*removed mount[^]*removed directory/) as string });
    await ended;
    expect(existsSync(stray)).toBe(false);
    await daemon.must('doctor', 'audit');
    const events = await daemon.must('events', '--since', '0', '--no-follow', '-o', 'json');
    expect(events.split('\n').filter((line) => line.includes('RESOURCE_REAPED') && line.includes('CAUSE_REAPED'))).toHaveLength(3);
  });

  it('removes at its start what is orphaned, and nothing of a record that it can not read', async () => {
    await using daemon = await TestDaemon.start({ profiles: { fake: FAKE } });
    const id = await daemon.must('sandbox', 'create', '--profile', 'fake');
    const pid = await pidOf(daemon, 'child');
    await daemon.crash();
    const record = join(daemon.root, 'sandboxes', id, 'record.json');
    const text = await readFile(record, 'utf8');
    execFileSync('sh', ['-c', `printf '{"version":99}' > ${record}`]);
    await mkdir(join(daemon.run, 's/00000000aa'));
    await daemon.boot();
    await expect.poll(() => existsSync(join(daemon.run, 's/00000000aa')), { timeout: 20_000 }).toBe(false);
    const audit = await daemon.viv(['doctor', 'audit', '--reap']);
    expect(audit.code).toBe(0);
    expect(audit.stdout).toMatch(/^process .*unreadable/m);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    // What can be read again is found again: nothing of it was touched.
    await daemon.crash();
    execFileSync('sh', ['-c', `cat > ${record}`], { input: text });
    await daemon.boot();
    await expect.poll(async () => (await daemon.viv(['sandbox', 'ls'])).stdout, { timeout: 20_000 }).toMatch(/ready/);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
  });
});
