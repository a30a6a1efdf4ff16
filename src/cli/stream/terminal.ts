import type { CliHost } from '../host.ts';
import type { TtySize } from '../../gen/vivarium/v1/container.ts';

/** Our standard input handed through key by key. Dispose sets it back; so does the end of the process, also by a crash. */
export function rawMode(host: CliHost): Disposable {
  const { stdin } = host;
  const restore = (): void => { stdin.setRawMode?.(false); };
  const onExit = host.onExit(restore);
  stdin.setRawMode?.(true);
  host.passOutputThrough();
  return {
    [Symbol.dispose]: () => {
      restore();
      onExit[Symbol.dispose]();
    },
  };
}

/** The size of the terminal that our output goes to; undefined when it is none, or one that does not know its size. */
export function terminalSize({ stdout }: CliHost): TtySize | undefined {
  if (stdout.isTTY !== true || stdout.columns === undefined || stdout.rows === undefined || stdout.columns < 1 || stdout.rows < 1) return undefined;
  return { rows: stdout.rows, columns: stdout.columns };
}
