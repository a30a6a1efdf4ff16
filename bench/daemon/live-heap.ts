import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { REPOSITORY } from '../paths.ts';
import { TempDirectory } from '../temp-directory.ts';

const ANSWER_MS = 20_000;
const LOOK_MS = 20;

/** What a daemon really holds: its heap after a forced collection. The daemon is the same; a few lines of the bench's own are loaded into it before it starts. */
export class LiveHeap implements Disposable {
  readonly #directory = new TempDirectory();
  readonly #file = join(this.#directory.path, 'heap');

  /** What the daemon is to be started with. */
  get environment(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--import ${join(REPOSITORY, 'bench/daemon/heap-preload.mjs')}`, VIVARIUM_BENCH_HEAP: this.#file };
  }

  /** V8's used heap and external memory, in MiB. */
  async mib(pid: number): Promise<number> {
    rmSync(this.#file, { force: true });
    process.kill(pid, 'SIGUSR2');
    const until = performance.now() + ANSWER_MS;
    while (!existsSync(this.#file)) {
      if (performance.now() > until) throw new Error(`process ${pid} did not tell its heap within ${ANSWER_MS} ms`);
      await delay(LOOK_MS);
    }
    return Number(readFileSync(this.#file, 'utf8')) / 2 ** 20;
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}
