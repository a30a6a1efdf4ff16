import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { QEMU } from '../paths.ts';
import { startProcess } from '../processes.ts';
import type { RunningProcess } from '../processes.ts';
import type { BareGuest } from './bare-guest.ts';

/** A VM with nothing but a port: the arguments of a plain boot, one for one, and no daemon, launcher or agent near it. */
export class BareVm implements AsyncDisposable {
  /** From before QEMU's start to the guest's first line. */
  readonly bootMs: number;
  readonly #process: RunningProcess;
  readonly #port: Socket;

  private constructor(process: RunningProcess, port: Socket, bootMs: number) {
    this.#process = process;
    this.#port = port;
    this.bootMs = bootMs;
  }

  static async boot(guest: BareGuest, directory: string, signal: AbortSignal): Promise<BareVm> {
    const [serialPath, qmpPath] = [join(directory, 'bare.sock'), join(directory, 'bare.qmp')];
    for (const path of [serialPath, qmpPath]) rmSync(path, { force: true });
    const server = createServer();
    server.listen(serialPath);
    await once(server, 'listening', { signal });
    const began = performance.now();
    const process = startProcess(QEMU, [
      ...['-M', 'q35,accel=tcg', '-cpu', 'max', '-m', '256M'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-kernel', guest.kernel, '-initrd', guest.initrd],
      ...['-append', 'console=ttyS0 quiet panic=1 reboot=t'],
      ...['-chardev', `socket,id=c,path=${serialPath}`, '-device', 'virtio-serial-pci'],
      ...['-device', 'virtserialport,chardev=c,name=agent', '-qmp', `unix:${qmpPath},server=on,wait=off`],
    ]);
    try {
      const [port] = (await once(server, 'connection', { signal })) as [Socket];
      await firstLine(port, signal);
      return new BareVm(process, port, performance.now() - began);
    } catch (error) {
      await process.kill();
      throw error;
    } finally {
      server.close();
    }
  }

  /** Bytes a second through the port, guest to host, read and thrown away. */
  async spew(bytes: number, signal: AbortSignal): Promise<number> {
    const began = performance.now();
    let left = bytes;
    const all = new Promise<void>((resolve, reject) => {
      this.#port.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left <= 0) resolve();
      });
      this.#port.once('close', () => { reject(new Error('the bare VM ended')); });
      signal.addEventListener('abort', () => { reject(signal.reason as Error); }, { once: true });
    });
    this.#port.write(`spew ${bytes}\n`);
    await all;
    this.#port.removeAllListeners('data');
    return bytes / ((performance.now() - began) / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#port.destroy();
    await this.#process.kill();
  }
}

async function firstLine(port: Socket, signal: AbortSignal): Promise<void> {
  let text = '';
  while (!text.includes('\n')) {
    const [chunk] = (await once(port, 'data', { signal })) as [Buffer];
    text += chunk.toString('latin1');
  }
}
