import { spawn } from 'node:child_process';
import { BuildError } from './build-error.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
  /** Lines the command writes to descriptor 3, as they come. */
  readonly onStatusLine?: (line: string) => void;
  /** Exit codes that are no failure; only 0 by default. */
  readonly accept?: readonly number[];
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs short-lived tools. A failure is a BuildError with the tool's own last words. */
export interface CommandRunner {
  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/** Tools run in the C locale and in UTC, with umask and environment otherwise inherited (proxies matter to apt). */
export class ChildCommandRunner implements CommandRunner {
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = { ...env, LC_ALL: 'C', TZ: 'UTC' };
  }

  async run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const child = spawn(command, args, {
      env: this.#env,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    let rest = '';
    child.stdio[3]?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onStatusLine?.(line);
    });
    // A tool that does not read its input to the end says so by its exit code; EPIPE would only hide that.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? Buffer.alloc(0));

    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => { reject(startFailure(command, error)); });
      child.once('close', (exit) => { resolve(exit ?? 128); });
    });
    const result = { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') };
    if (code !== 0 && !(options.accept ?? []).includes(code)) throw exitFailure(command, args, result);
    return result;
  }
}

function startFailure(command: string, error: Error): BuildError {
  if ('code' in error && error.code === 'ENOENT') {
    return new BuildError('missing_tool', `${command} is not installed`, { remedy: 'run scripts/setup.sh', cause: error });
  }
  if (error.name === 'AbortError') return new BuildError('cancelled', `${command} was cancelled`, { cause: error });
  return new BuildError('command_failed', `${command} can't be started: ${error.message}`, { cause: error });
}

function exitFailure(command: string, args: readonly string[], result: CommandResult): BuildError {
  const tail = result.stderr.trim().split('\n').slice(-5).join('\n');
  return new BuildError('command_failed', `${command} ${args[0] ?? ''} ended with ${result.code}${tail === '' ? '' : `: ${tail}`}`);
}
