import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../src/host/directory-lock.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { readHostMemory } from '../../src/host/host-memory.ts';
import { SystemIdSource } from '../../src/host/id-source.ts';
import { readProcessUsage } from '../../src/host/proc-usage.ts';
import { ProcessTable } from '../../src/host/process-identity.ts';
import { SystemProcessRunner } from '../../src/host/process-runner.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';

let directory: string;
beforeEach(async () => { directory = await mkdtemp('/tmp/vv-host-'); });
afterEach(async () => { await rm(directory, { recursive: true, force: true }); });

describe('SystemFiles', () => {
  const files = new SystemFiles();

  it('publishes whole files of the asked mode and leaves no temporary one', async () => {
    const path = join(directory, 'record.json');
    await files.publish(path, 'old');
    await files.publish(path, 'new', { mode: 0o640 });
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(directory)).toEqual(['record.json']);
  });

  it('keeps the old content and no rest when it cannot publish', async () => {
    await expect(files.publish(join(directory, 'missing', 'x'), 'new')).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    await expect(files.publish('/proc/version', 'new')).rejects.toMatchObject({ name: 'DomainError' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('reads up to its cap, and files that tell no size', async () => {
    const path = join(directory, 'f');
    await writeFile(path, 'abcd');
    expect(Buffer.from((await files.read(path, 4)) ?? []).toString()).toBe('abcd');
    await expect(files.read(path, 3)).rejects.toThrow(/larger than 3 bytes/);
    expect(Buffer.from((await files.read('/proc/self/stat', 4096)) ?? []).toString()).toContain('(');
    expect(await files.read(join(directory, 'none'), 4)).toBeUndefined();
  });

  it('gives the tail of a file, and nothing of none', async () => {
    const path = join(directory, 'f');
    await writeFile(path, 'abcdef');
    expect(Buffer.from(await files.tail(path, 2)).toString()).toBe('ef');
    expect(Buffer.from(await files.tail(path, 99)).toString()).toBe('abcdef');
    expect((await files.tail(join(directory, 'none'), 9)).length).toBe(0);
  });

  it('identifies a file behind its links', async () => {
    await writeFile(join(directory, 'f'), 'x');
    await symlink('f', join(directory, 'l'));
    expect(await files.identify(join(directory, 'l'))).toEqual(await files.identify(join(directory, 'f')));
    expect(await files.identify(join(directory, 'none'))).toBeUndefined();
  });
});

describe('SystemProcessRunner', () => {
  const runner = new SystemProcessRunner();

  it('gives output and exit code', async () => {
    const result = await runner.run('/bin/sh', ['-c', 'cat; echo err >&2; exit 3'], { timeoutMs: 5000, input: 'in\n' });
    expect(result).toEqual({ code: 3, stdout: 'in\n', stderr: 'err\n' });
  });

  it('gives 128 + signal for a helper that was ended by one', async () => {
    await expect(runner.run('/bin/sh', ['-c', 'kill -9 $$'], { timeoutMs: 5000 })).resolves.toMatchObject({ code: 137 });
  });

  it('rejects HOST_RESOURCE for a command that is not there', async () => {
    await expect(runner.run('/nonexistent/tool', [], { timeoutMs: 5000 })).rejects.toMatchObject({ reason: 'HOST_RESOURCE', details: { facts: { errno: 'ENOENT' } } });
  });

  it('ends a helper that ignores SIGTERM when its time is over', async () => {
    const started = performance.now();
    await expect(runner.run('/bin/sh', ['-c', 'trap "" TERM; sleep 30 & wait; sleep 30'], { timeoutMs: 200 })).rejects.toMatchObject({ reason: 'DEADLINE' });
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('passes its input on and takes each stream as it is', async () => {
    await expect(runner.run('sh', ['-c', 'cat; printf "e\\n\\n" >&2'], { timeoutMs: 5000, input: 'in\n' })).resolves.toEqual({ code: 0, stdout: 'in\n', stderr: 'e\n\n' });
  });

  it('ends a helper that writes without end', async () => {
    await expect(runner.run('yes', [], { timeoutMs: 20_000 })).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: expect.stringContaining('wrote more than') as string });
  });

  it('does not wait for a grandchild that keeps the pipes', async () => {
    const result = await runner.run('/bin/sh', ['-c', 'sleep 20 & echo out; exit 4'], { timeoutMs: 10_000 });
    expect(result).toMatchObject({ code: 4, stdout: 'out\n' });
  }, 5000);

  it('rejects with the reason of the signal', async () => {
    const source = new AbortController();
    const run = runner.run('/bin/sleep', ['30'], { timeoutMs: 60_000, signal: source.signal });
    source.abort(new Error('caller left'));
    await expect(run).rejects.toThrow('caller left');
    await expect(runner.run('/bin/true', [], { timeoutMs: 1, signal: source.signal })).rejects.toThrow('caller left');
  });
});

describe('UnixDialer', () => {
  const dialer = new UnixDialer(new SystemClock());
  let server: Server;
  let connection: Promise<Socket>;
  const listen = async (path: string): Promise<void> => {
    server = createServer();
    connection = once(server, 'connection').then(([socket]) => socket as Socket);
    server.listen(path);
    await once(server, 'listening');
  };

  it('connects within a few milliseconds of the name appearing', async () => {
    const path = join(directory, 's.sock');
    const dialled = dialer.dial(path, { deadlineMs: 5000 }).then((stream) => ({ stream, at: performance.now() }));
    await new SystemClock().sleep(60);
    await listen(path);
    const listening = performance.now();
    const { stream, at } = await dialled;
    expect(at - listening).toBeLessThan(20);
    stream.close();
    server.close();
  });

  it('carries bytes both ways in order, keeps those that come before the listener, and tells the end', async () => {
    const path = join(directory, 's.sock');
    await listen(path);
    const stream = await dialer.dial(path, { deadlineMs: 0 });
    const peer = await connection;
    peer.write('early ');
    stream.write([Buffer.from('a'), Buffer.from('b')]);
    const [heard] = (await once(peer, 'data')) as [Buffer];
    expect(heard.toString()).toBe('ab');
    let text = '';
    stream.onData((chunk) => { text += Buffer.from(chunk).toString(); });
    const closed = new Promise((resolve) => { stream.onClose(resolve); });
    peer.end('late');
    expect(await closed).toBeUndefined();
    expect(text).toBe('early late');
    server.close();
  });

  it('tells when to wait, and when there is room again', async () => {
    const path = join(directory, 's.sock');
    await listen(path);
    const stream = await dialer.dial(path, { deadlineMs: 0 });
    const peer = await connection;
    peer.pause();
    expect(stream.write([Buffer.alloc(4 * 1024 * 1024)])).toBe(false);
    const drained = stream.drained();
    peer.resume();
    await drained;
    stream.close();
    server.close();
  });

  it('rejects at its deadline, one attempt for zero, and with the signal', async () => {
    const path = join(directory, 'none.sock');
    await expect(dialer.dial(path, { deadlineMs: 0 })).rejects.toMatchObject({ reason: 'DEADLINE' });
    await expect(dialer.dial(path, { deadlineMs: 50 })).rejects.toThrow(/ENOENT/);
    const source = new AbortController();
    const dialled = dialer.dial(path, { deadlineMs: 60_000, signal: source.signal });
    source.abort(new Error('caller left'));
    await expect(dialled).rejects.toThrow('caller left');
  });

  it('goes on while a dead socket refuses, and refuses what is no socket or too long', async () => {
    const path = join(directory, 's.sock');
    await listen(path);
    server.close();
    await writeFile(path, '');
    await expect(dialer.dial(path, { deadlineMs: 30 })).rejects.toMatchObject({ reason: 'DEADLINE' });
    await expect(dialer.dial(`/tmp/${'x'.repeat(103)}`, { deadlineMs: 0 })).rejects.toThrow(/longer than 107 bytes/);
  });
});

describe('ProcessTable', () => {
  const table = new ProcessTable();

  it('knows a process from its successor and from its zombie', async () => {
    const child = spawn('/bin/sleep', ['30']);
    await once(child, 'spawn');
    const identity = await table.identify(child.pid ?? 0);
    expect(identity).toBeDefined();
    expect(await table.isAlive(identity!)).toBe(true);
    expect(await table.isAlive({ ...identity!, startTime: '1' })).toBe(false);
    expect(await table.isAlive({ ...identity!, bootId: 'another' })).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await table.isAlive(identity!)).toBe(false);
    expect(await table.identify(child.pid ?? 0)).toBeUndefined();
  });
});

describe('figures of the host', () => {
  it('are plausible for this process and this machine', async () => {
    const usage = await readProcessUsage(process.pid);
    expect(usage?.cpuSeconds).toBeGreaterThan(0);
    expect(usage?.pssBytes).toBeGreaterThan(1024 * 1024);
    expect(usage?.rssBytes).toBeGreaterThanOrEqual(usage?.pssBytes ?? 0);
    expect(await readProcessUsage(2 ** 30)).toBeUndefined();
    const memory = await readHostMemory();
    expect(memory.availableBytes).toBeLessThanOrEqual(memory.totalBytes);
    expect(new SystemIdSource().id()).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  });
});

describe('lockDirectory', () => {
  it('lets one in, also by another name of the directory, and the next after it', async () => {
    const real = join(directory, 'd');
    const held = await lockDirectory(real);
    await symlink(real, join(directory, 'other'));
    await expect(lockDirectory(join(directory, 'other'))).rejects.toThrow(new RegExp(`process ${process.pid}.* uses`));
    await held[Symbol.asyncDispose]();
    const next = await lockDirectory(real);
    await next[Symbol.asyncDispose]();
  });

  it('is free again at once when its holder is killed', async () => {
    const program = `import { lockDirectory } from '${process.cwd()}/src/host/directory-lock.ts'; await lockDirectory(process.argv[1]); console.log('held'); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, '--', directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    await expect(lockDirectory(directory)).rejects.toMatchObject({ reason: 'HOST_RESOURCE', details: { facts: { holder: `process ${holder.pid ?? 0}` } } });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const lock = await lockDirectory(directory);
    await lock[Symbol.asyncDispose]();
  });

  it('keeps its key from others and agrees on one when two start at once', async () => {
    const results = await Promise.allSettled([lockDirectory(directory), lockDirectory(directory), lockDirectory(directory)]);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    expect((await stat(join(directory, 'lock-key'))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['lock-key']);
    for (const result of results) if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]();
  });

  it('refuses a key that is none', async () => {
    await writeFile(join(directory, 'lock-key'), 'x');
    await chmod(join(directory, 'lock-key'), 0o600);
    await expect(lockDirectory(directory)).rejects.toThrow(/not a lock key/);
  });
});
