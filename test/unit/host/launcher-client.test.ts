import { beforeEach, describe, expect, it } from 'vitest';
import type { ProcessIdentity } from '../../../src/core/model/ledger.ts';
import { LauncherClient } from '../../../src/host/launcher-client.ts';
import { ProcessTable } from '../../../src/host/process-identity.ts';
import { ManualClock, settle } from '../../fakes/manual-clock.ts';
import { MemoryFiles } from '../../fakes/memory-files.ts';
import { MemoryLogger } from '../../fakes/memory-logger.ts';
import { MemoryDialer, MemoryStream } from '../../fakes/memory-stream.ts';

const DIR = '/run/v/x/vmm';
const CONTROL = `${DIR}/control.sock`;
const READY = { version: 1, launcher_pid: 10, pid: 11, start_time: 123, boot_id: 'boot' };
const base = { version: 1, name: 'vmm', launcher_pid: 10, pid: 11, start_time: 123, boot_id: 'boot' };
const running = `${JSON.stringify({ ...base, state: 'running' })}\n`;
const exited = (more: object): string => `${JSON.stringify({ ...base, state: 'exited', exited_at_ms: 5, exit_code: null, signal: null, user_us: 1500, system_us: 500, max_rss_kib: 7, ...more })}\n`;

class Processes extends ProcessTable {
  alive = true;
  failing = false;

  override async identify(pid: number): Promise<ProcessIdentity | undefined> {
    return this.alive ? { pid, startTime: '1', bootId: 'boot' } : undefined;
  }

  override async isAlive(): Promise<boolean> {
    if (this.failing) throw new Error('EMFILE');
    return this.alive;
  }
}

let launches: { dir: string; spec: object }[];
let answer: () => object;
let dialer: MemoryDialer;
let files: MemoryFiles;
let clock: ManualClock;
let processes: Processes;
let control: MemoryStream;
let logger: MemoryLogger;
let client: LauncherClient;

const helper = {
  launch: async (dir: string, spec: object): Promise<Readonly<Record<string, unknown>>> => {
    launches.push({ dir, spec });
    return answer() as Record<string, unknown>;
  },
};

beforeEach(() => {
  launches = [];
  answer = () => READY;
  dialer = new MemoryDialer();
  files = new MemoryFiles();
  clock = new ManualClock();
  processes = new Processes();
  control = new MemoryStream();
  logger = new MemoryLogger();
  dialer.add(CONTROL, control);
  client = new LauncherClient({ helper, dialer, files, clock, processes, logger });
});

describe('start', () => {
  it('asks for the launch and knows the process', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu', '-x'], keepCapabilities: [], console: true });
    expect(JSON.parse(JSON.stringify(launches[0]?.spec))).toEqual({
      version: 1, name: 'vmm', argv: ['/qemu', '-x'], cwd: '/', keep_capabilities: [], console: true, rlimits: { core: 0 }, umask: 63,
    });
    expect(launches[0]?.dir).toBe(DIR);
    expect(process.identity).toEqual({ pid: 11, startTime: '123', bootId: 'boot' });
    expect(process.launcherPid).toBe(10);
    expect(process.end).toBeUndefined();
  });

  it.each([
    ['exec', 'VMM_FAILED'],
    ['cgroup', 'HOST_RESOURCE'],
  ])('turns the refusal %s into %s with the launcher\'s words', async (code, reason) => {
    answer = () => ({ error: { code, message: 'no such thing' } });
    await expect(client.start(DIR, { name: 'vmm', argv: ['/qemu'] })).rejects.toMatchObject({ reason, message: 'cannot start /qemu: no such thing', details: { facts: { launcher: code } } });
  });

  it('tells what a launcher said that answered nothing it should', async () => {
    answer = () => ({ ok: true });
    await expect(client.start(DIR, { name: 'vmm', argv: ['/qemu'] })).rejects.toThrow(/not a ready line: \{"ok":true\}/);
  });

  it('ends the process when the caller gave up meanwhile', async () => {
    const source = new AbortController();
    control.onWrite(() => {
      control.feed('{"ok":true}\n');
      control.feed(exited({ signal: 9 }));
      control.end();
    });
    answer = () => {
      source.abort(new Error('caller left'));
      return READY;
    };
    client = new LauncherClient({ helper, dialer, files, clock, processes, logger });
    await expect(client.start(DIR, { name: 'vmm', argv: ['/qemu'] }, { signal: source.signal })).rejects.toThrow('caller left');
    expect(control.written).toBe('{"cmd":"signal","signal":9}\n');
  });

  it('ends what a launch left that did not answer in time', async () => {
    control.onWrite(() => {
      control.feed('{"ok":true}\n');
      control.feed(exited({ signal: 9 }));
      control.end();
    });
    files.put(`${DIR}/record`, running);
    answer = () => { throw new Error('too slow'); };
    await expect(client.start(DIR, { name: 'vmm', argv: ['/qemu'] })).rejects.toThrow('too slow');
    expect(control.written).toContain('"signal":9');
  });
});

describe('the end of a process', () => {
  it('comes from the exited line, with the tail of its stderr', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    files.put(`${DIR}/stderr.log.1`, 'older ');
    files.put(`${DIR}/stderr.log`, 'newer');
    control.feed(running + exited({ signal: 9 }));
    control.end();
    await expect(process.ended).resolves.toEqual({ kind: 'signalled', code: 0, signal: 9, atMs: 5, stderrTail: 'older newer', cpuMs: 2, maxRssKib: 7 });
    expect(process.end?.signal).toBe(9);
    await process.signal(15);
    expect(control.written).toBe('');
  });

  it('comes from the record when the launcher is gone already', async () => {
    dialer = new MemoryDialer();
    files.put(`${DIR}/record`, exited({ exit_code: 3 }).padEnd(4096));
    client = new LauncherClient({ helper, dialer, files, clock, processes, logger });
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    await expect(process.ended).resolves.toMatchObject({ kind: 'exited', code: 3 });
  });

  it('is unknown when the launcher died and then the process', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    files.put(`${DIR}/record`, running);
    control.end();
    await clock.advance(1000);
    expect(process.end).toBeUndefined();
    processes.alive = false;
    await clock.advance(250);
    await expect(process.ended).resolves.toMatchObject({ kind: 'unknown', code: 0, signal: 0 });
    expect(clock.pending).toBe(0);
  });

  it('is not taken from a failure to look', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    processes.failing = true;
    control.end();
    await clock.advance(1000);
    expect(process.end).toBeUndefined();
    expect(logger.lines.some((line) => line.level === 'error')).toBe(true);
    processes.failing = false;
    processes.alive = false;
    await clock.advance(250);
    await expect(process.ended).resolves.toMatchObject({ kind: 'unknown' });
  });

  it('is heard again after the connection alone was lost', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    const second = new MemoryStream();
    dialer.add(CONTROL, second);
    control.end();
    await clock.advance(250);
    second.feed(exited({ exit_code: 0 }));
    second.end();
    await expect(process.ended).resolves.toMatchObject({ kind: 'exited', code: 0 });
  });

  it('is looked for no more after release', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    process.release();
    await settle();
    expect(control.closed).toBe(true);
    expect(clock.pending).toBe(0);
  });
});

describe('signal', () => {
  it('goes through the launcher and rejects with its refusal only when the process is there', async () => {
    const process = await client.start(DIR, { name: 'vmm', argv: ['/qemu'] });
    const sent = process.signal(15);
    control.feed('{"ok":true}\n');
    await sent;
    processes.alive = false;
    const late = process.signal(15);
    control.feed('{"error":{"code":"gone","message":"no child"}}\n');
    await late;
    expect(control.written).toBe('{"cmd":"signal","signal":15}\n'.repeat(2));
  });
});

describe('adopt', () => {
  it('finds a living process by its record', async () => {
    files.put(`${DIR}/record`, running.padEnd(4096));
    const process = await client.adopt(DIR);
    expect(process?.identity.pid).toBe(11);
    expect(process?.end).toBeUndefined();
  });

  it('leaves alone what a newer launcher started, and says so', async () => {
    files.put(`${DIR}/record`, JSON.stringify({ version: 2, name: 'vmm', phase: 'new words' }).padEnd(4096));
    await expect(client.adopt(DIR)).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: expect.stringContaining('newer viv-launcher') as string });
    expect(control.written).toBe('');
  });

  it('waits for a launch that is under way', async () => {
    files.put(`${DIR}/record`, `${JSON.stringify({ version: 1, name: 'vmm', state: 'starting', launcher_pid: 10 })}\n`);
    const adopted = client.adopt(DIR);
    await clock.advance(20);
    files.put(`${DIR}/record`, running);
    await clock.advance(20);
    expect((await adopted)?.identity.pid).toBe(11);
  });

  it.each([
    ['there is no record', undefined],
    ['the record was never filled', '\0'.repeat(4096)],
    ['the launch failed', JSON.stringify({ ...base, state: 'failed', error: { code: 'exec', message: 'x' } })],
  ])('answers undefined when %s', async (_case, text) => {
    if (text !== undefined) files.put(`${DIR}/record`, text);
    await expect(client.adopt(DIR)).resolves.toBeUndefined();
  });
});
