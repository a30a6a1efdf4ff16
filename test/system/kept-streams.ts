import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestDaemon } from './daemon.ts';

/** A command line that runs while the test does other things, and what it has said so far. */
export class LastingViv {
  readonly child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  readonly #ended: Promise<unknown[]>;
  #stderr = '';
  #news: (() => void)[] = [];

  constructor(daemon: TestDaemon, ...args: string[]) {
    this.child = daemon.spawnViv(args);
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout.push(chunk);
      for (const wake of this.#news.splice(0)) wake();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => { this.#stderr += chunk.toString(); });
    this.child.stdin?.on('error', () => undefined);
    this.#ended = once(this.child, 'close');
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get text(): string {
    return this.stdout.toString();
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves when it has written something that fits; fails when it ends before. */
  async until(fits: (text: string) => boolean): Promise<void> {
    while (!fits(this.text)) {
      const news = new Promise<'news'>((resolve) => { this.#news.push(() => { resolve('news'); }); });
      if (await Promise.race([news, this.#ended]) !== 'news' && !fits(this.text)) throw new Error(`viv ended with ${this.child.exitCode}: ${this.#stderr}`);
    }
  }

  /** Writes pieces to its stdin, one after the other, over about `overMs`, and closes it. */
  async feed(data: Buffer, overMs: number): Promise<void> {
    const pieces = 80;
    const size = Math.ceil(data.length / pieces);
    for (let at = 0; at < data.length; at += size) {
      if (this.child.stdin?.write(data.subarray(at, at + size)) === false) await Promise.race([once(this.child.stdin, 'drain').catch(() => undefined), this.#ended]);
      if (this.child.exitCode !== null) return;
      await delay(overMs / pieces);
    }
    this.child.stdin?.end();
  }

  async outcome(): Promise<{ readonly code: number | null; readonly bytes: number; readonly sha256: string; readonly stderr: string }> {
    const code = await this.end();
    return { code, bytes: this.stdout.length, sha256: sha256(this.stdout), stderr: this.#stderr };
  }

  /** Its exit code. */
  async end(): Promise<number | null> {
    await this.#ended;
    return this.child.exitCode;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#ended;
  }
}

export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** `kill -9` and a new start, several times. */
export async function killAndStart(daemon: TestDaemon, times: readonly { readonly upMs: number; readonly awayMs: number }[]): Promise<void> {
  for (const { upMs, awayMs } of times) {
    await delay(upMs);
    await daemon.crash();
    await delay(awayMs);
    await daemon.boot();
  }
}

/** Waits until so many clients are connected to the daemon; /proc/net/unix shows them by its socket in the state SS_CONNECTED. */
export async function connections(daemon: TestDaemon, count: number): Promise<void> {
  const connected = new RegExp(`^\\S+ \\S+ \\S+ \\S+ \\S+ 03 +\\d+ ${daemon.run}/[^/]*$`, 'gm');
  while (((await readFile('/proc/net/unix', 'utf8')).match(connected)?.length ?? 0) < count) await delay(50);
}

/** The numbers that `counter` printed. @throws when one is missing, came twice or is torn */
export function countedTo(text: string): number {
  const lines = text.split('\n').slice(0, -1);
  const first = Number(lines[0]);
  const wrong = lines.findIndex((line, index) => line !== String(first + index));
  if (wrong >= 0) throw new Error(`line ${wrong} is ${JSON.stringify(lines[wrong])}, after ${JSON.stringify(lines[wrong - 1])}`);
  return first + lines.length - 1;
}
