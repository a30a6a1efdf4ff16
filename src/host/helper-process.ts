import { spawn } from 'node:child_process';
import { DomainError } from '../core/model/errors.ts';
import type { ByteStream } from '../core/ports/host.ts';
import { errnoOf } from './files.ts';

/** The resident helper as a stream of bytes: its stdin and stdout (docs/protocols/launcher.md, "serve"). Closing it ends the helper. `within` is a command line that becomes it. */
export function startHelperProcess(launcherPath: string, within: readonly string[] = []): ByteStream {
  const command = [...within, launcherPath, 'serve'];
  const program = command[0] ?? launcherPath;
  const child = spawn(program, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  const { stdin, stdout } = child;
  return {
    onData: (listener) => { stdout.on('data', listener); },
    onClose: (listener) => {
      child.once('error', (error) => {
        // Also told when a kill fails; only one without a pid was never started.
        if (child.pid === undefined) listener(new DomainError('HOST_RESOURCE', `cannot run ${program}: ${error.message}`, { remedy: 'build viv-launcher, or correct its path', facts: { command: program, errno: errnoOf(error) ?? '' }, cause: error }));
      });
      // Of one that has ended, writes fail; the end itself is told by `close`.
      stdin.on('error', () => undefined);
      child.once('close', (code, signal) => {
        if (child.pid !== undefined) listener(new DomainError('HOST_RESOURCE', `viv-launcher serve ended (${signal ?? `exit code ${code}`})`, { facts: { command: program } }));
      });
    },
    write: (chunks) => {
      let more = true;
      for (const chunk of chunks) more = stdin.write(chunk);
      return more;
    },
    drained: async () => {
      if (stdin.writableNeedDrain) await new Promise<void>((resolve) => { stdin.once('drain', resolve).once('close', resolve); });
    },
    pause: () => { stdout.pause(); },
    resume: () => { stdout.resume(); },
    close: () => { stdin.end(); },
  };
}
