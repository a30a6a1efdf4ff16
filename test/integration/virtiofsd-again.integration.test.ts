import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const QEMU = '/usr/bin/qemu-system-x86_64';
const VIRTIOFSD = '/usr/lib/qemu/virtiofsd';

let home: string;
const children: ChildProcess[] = [];

beforeEach(async () => { home = await mkdtemp('/tmp/vv-'); });
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(home, { recursive: true, force: true });
});

const socket = (): string => join(home, 'fs.sock');

/** A virtiofsd of its own on the same socket. */
async function serve(): Promise<ChildProcess> {
  const child = spawn(VIRTIOFSD, [`--socket-path=${socket()}`, '-f', '-o', `source=${home},sandbox=chroot,log_level=err`], { stdio: 'ignore' });
  children.push(child);
  await vi.waitFor(() => { expect(existsSync(socket())).toBe(true); }, { timeout: 10_000 });
  return child;
}

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

interface Vmm {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ask: (command: object) => Promise<Reply>;
}

/** A VM that has a share and never runs. */
function vmm(chardev: string): Vmm {
  const args = ['-S', '-M', 'q35,accel=tcg,memory-backend=ram', '-m', '64M', '-object', 'memory-backend-memfd,id=ram,size=64M,share=on', '-nodefaults', '-display', 'none', '-chardev', `socket,id=fs0,path=${socket()}${chardev}`, '-device', 'vhost-user-fs-pci,chardev=fs0,tag=x', '-chardev', 'stdio,id=monitor', '-mon', 'chardev=monitor,mode=control'];
  const child = spawn(QEMU, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  children.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
  const lines: AsyncIterator<string, undefined> = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    stderr: () => stderr,
    ask: async (command) => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      for (;;) {
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`QEMU has ended: ${stderr}`);
        const reply = JSON.parse(value) as Reply;
        if (reply.return !== undefined || reply.error !== undefined) return reply;
      }
    },
  };
}

// docs/reliability.md, "What does not hold yet": once one of these fails, another virtiofsd can be thought of.
describe('a second virtiofsd for a VM that runs', () => {
  it('can not be announced before: a share whose socket connects again is refused at the start', async () => {
    await serve();
    const { child, stderr } = vmm(',reconnect=1');
    await once(child, 'close');
    expect([child.exitCode, stderr()]).toEqual([1, expect.stringContaining('vhost_backend_init failed')]);
  });

  it('can not be given later: the device stays without a connection, and takes no other', async () => {
    const first = await serve();
    const { ask } = vmm('');
    expect(await ask({ execute: 'qmp_capabilities' })).toEqual({ return: {} });
    first.kill('SIGKILL');
    await rm(socket());
    await serve();
    const backend = { type: 'socket', data: { addr: { type: 'unix', data: { path: socket() } }, server: false } };
    expect(await ask({ execute: 'chardev-change', arguments: { id: 'fs0', backend } })).toMatchObject({ error: { desc: expect.stringContaining('does not support chardev hotswap') as string } });
    await vi.waitFor(async () => { expect(JSON.stringify((await ask({ execute: 'query-chardev' })).return)).toContain('disconnected:unix'); }, { timeout: 10_000, interval: 100 });
  });
});
