import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BuildError } from './build-error.ts';

/**
 * One build at a time in one output directory, by flock(2). Node can't flock, so flock(1) holds the lock for as long as our end
 * of its pipe is open: it is let go however this process ends.
 */
export async function withBuildLock<T>(path: string, onWait: () => void, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const holder = spawn('flock', ['--exclusive', '--no-fork', path, 'sh', '-c', 'echo held; exec cat >/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => void holder.once('close', () => { resolve(); }));
  holder.stdin.on('error', () => undefined);
  const waiting = setTimeout(onWait, 300);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once('error', (error) => { reject(new BuildError('missing_tool', `flock can't be started: ${error.message}`, { cause: error })); });
      holder.once('close', () => { reject(new BuildError('busy', `the build lock ${path} can't be taken`)); });
      holder.stdout.once('data', () => { resolve(); });
      signal.addEventListener('abort', () => { reject(new BuildError('cancelled', 'cancelled while another build runs')); }, { once: true });
    });
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    // A holder that still waits for the lock does not read its pipe.
    if (signal.aborted) holder.kill('SIGTERM');
    if (holder.pid !== undefined) await ended;
  }
}
