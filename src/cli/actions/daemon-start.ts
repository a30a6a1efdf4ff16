import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HealthCheckResponse_ServingStatus } from '../../gen/grpc/health/v1/health.ts';
import type { GetVersionResponse } from '../../gen/vivarium/v1/host.ts';
import { parseDurationMs } from '../args/duration.ts';
import { parseAddress, type DaemonAddress } from '../client/address.ts';
import { askVersion } from '../client/ask-version.ts';
import { openConnection, type Connection } from '../client/clients.ts';
import { CliError } from '../cli-error.ts';
import { logLineText } from '../format/log-line.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';

interface StartFlags {
  readonly root?: string;
  readonly run?: string;
  readonly listen?: string;
  readonly metrics?: string;
  readonly time: string;
}

const tailBytes = 8192;
const tailLines = 20;

/** `viv daemon start`: starts it in a session of its own, its output in ROOT/vivd.log, and waits until it serves. */
export const startDaemon: Action<StartFlags> = async (context, operands, flags) => {
  const timeoutMs = parseDurationMs(flags.time, '--time');
  const address = listenAddress(context, flags);
  const running = await askVersion({ ...context, address });
  if (running !== undefined) return report(context, 'runs already', running, address);

  const root = resolve(context.cwd, flags.root ?? context.host.env['VIVARIUM_ROOT'] ?? '/var/lib/vivarium');
  await mkdir(root, { recursive: true, mode: 0o700 });
  const logPath = join(root, 'vivd.log');
  await using log = await open(logPath, 'a+', 0o600);
  const logStart = (await log.stat()).size;
  const child = spawn(context.daemonProgram, [...daemonArguments(context, flags, root, address), ...operands], {
    cwd: '/', detached: true, stdio: ['ignore', log.fd, log.fd], env: context.host.env,
  });
  using connection = openConnection(address, context.signal);
  const served = await Promise.race([whenServing(connection, timeoutMs), whenEnded(child)]);
  if (served.kind === 'ended') {
    const tail = await readTail(log, logStart);
    throw new CliError(`the daemon did not start: ${served.how}${tail === '' ? '' : `\n${tail}`}`, { remedy: `its log is ${logPath}` });
  }
  if (served.kind === 'late') {
    throw new CliError(`the daemon (pid ${child.pid ?? '?'}) does not serve after ${flags.time}`, { remedy: `its log is ${logPath}; viv daemon status tells when it does` });
  }
  child.unref();
  return report(context, 'runs', await (await connection.clients('host')).host.getVersion({}), address);
};

function report(context: CommandContext, verb: string, version: GetVersionResponse, address: DaemonAddress): number {
  context.host.stdout.write(`vivd ${version.version} ${verb} (pid ${version.pid}) at ${address.text}\n`);
  return ExitCode.ok;
}

/** --listen, else what was said by --host or the environment, else the socket in the run directory. */
function listenAddress(context: CommandContext, flags: StartFlags): DaemonAddress {
  const { env } = context.host;
  const given = flags.listen ?? env['VIVARIUM_LISTEN'];
  if (given !== undefined) return parseAddress(given);
  if (context.addressGiven) return context.address;
  const run = flags.run ?? env['VIVARIUM_RUN'];
  return run === undefined ? context.address : parseAddress(`unix:${join(resolve(context.cwd, run), 'vivd.sock')}`);
}

function daemonArguments(context: CommandContext, flags: StartFlags, root: string, address: DaemonAddress): string[] {
  const run = flags.run ?? context.host.env['VIVARIUM_RUN'];
  return [
    '--root', root,
    ...(run === undefined ? [] : ['--run', resolve(context.cwd, run)]),
    '--listen', address.text,
    ...(flags.metrics === undefined ? [] : ['--metrics', flags.metrics]),
  ];
}

type Outcome = { readonly kind: 'serving' } | { readonly kind: 'late' } | { readonly kind: 'ended'; readonly how: string };

async function whenServing(connection: Connection, timeoutMs: number): Promise<Outcome> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    await connection.ready(new Date(Date.now() + timeoutMs));
    const { health } = await connection.clients('health');
    for await (const { status } of health.watch({ service: '' }, { signal: deadline })) {
      if (status === HealthCheckResponse_ServingStatus.SERVING) return { kind: 'serving' };
    }
  } catch (error) {
    if (!deadline.aborted && !isDeadline(error)) throw error;
  }
  return { kind: 'late' };
}

const isDeadline = (error: unknown): boolean => error instanceof Error && /deadline/i.test(error.message);

async function whenEnded(child: ChildProcess): Promise<Outcome> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return { kind: 'ended', how: signal === null ? `it ended with code ${code ?? '?'}` : `it was ended by ${signal}` };
  } catch (error) {
    return { kind: 'ended', how: error instanceof Error ? error.message : String(error) };
  }
}

async function readTail(log: FileHandle, from: number): Promise<string> {
  const { size } = await log.stat();
  const start = Math.max(from, size - tailBytes);
  const { buffer, bytesRead } = await log.read(Buffer.alloc(Math.max(0, size - start)), 0, size - start, start);
  return buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split('\n').slice(-tailLines).map(logLineText).join('\n');
}
