import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliHost, HostSignal } from './host.ts';

/** The real machine. */
export function nodeHost(process: NodeJS.Process): CliHost {
  const on = (event: HostSignal | 'exit', listener: () => void): Disposable => {
    process.on(event, listener);
    return { [Symbol.dispose]: () => { process.off(event, listener); } };
  };
  return {
    // Opening standard input starts to read it: only for those who want it.
    get stdin() { return process.stdin; },
    get stdout() { return process.stdout; },
    get stderr() { return process.stderr; },
    env: process.env,
    clock: { now: () => new Date(), sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }) },
    newId: randomUUID,
    onSignal: on,
    onExit: (listener) => on('exit', listener),
    // Node's raw mode turns every line feed into two characters, which spoils what full-screen programs draw. Without stty it stays like that.
    passOutputThrough: () => { spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] }); },
    endNow: (exitCode) => process.exit(exitCode),
  };
}
