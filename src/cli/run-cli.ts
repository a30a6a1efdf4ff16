import { CommanderError } from 'commander';
import { CliError } from './cli-error.ts';
import { parseAddress, defaultAddress } from './client/address.ts';
import { parseDurationMs } from './args/duration.ts';
import type { Connection } from './client/clients.ts';
import type { CommandContext } from './context.ts';
import { reportError } from './error-text.ts';
import { ExitCode } from './exit-codes.ts';
import type { CliHost, OutputStream } from './host.ts';
import { Interrupts } from './interrupts.ts';
import { requestIds } from './requests/request-ids.ts';
import { callReconnectPolicy } from './stream/reconnect-policy.ts';
import { buildProgram, type GlobalFlags, type Runner } from './program.ts';

export interface CliSurroundings {
  readonly host: CliHost;
  readonly cwd: string;
  readonly version: string;
  /** The program that `daemon start` starts. */
  readonly daemonProgram: string;
}

/**
 * Runs one command line from its arguments (without node and script) to its exit code. Never rejects: what goes wrong is told on standard error.
 * The caller still has to let standard output and error drain.
 */
export async function runCli(argv: readonly string[], surroundings: CliSurroundings): Promise<number> {
  const { host } = surroundings;
  using interrupts = new Interrupts(host);
  watchOutputs(host, interrupts);
  let exitCode: number = ExitCode.ok;
  const program = buildProgram(argv, host, surroundings.version, async (runner, globals) => {
    exitCode = await runOne(surroundings, interrupts, globals, runner);
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    // Commander has told it already: help that was asked for, or a usage error.
    if (!(error instanceof CommanderError)) throw error;
    exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
  await flushed(host.stdout);
  // The last bytes failed after the command was done.
  return exitCode === ExitCode.ok && interrupts.signal.aborted ? tell(surroundings, interrupts.signal.reason, {}, ExitCode.failed) : exitCode;
}

async function runOne(surroundings: CliSurroundings, interrupts: Interrupts, globals: GlobalFlags, { act, failureCode }: Runner): Promise<number> {
  const { host } = surroundings;
  let signal = interrupts.signal;
  try {
    const timeout = globals.timeout ?? host.env['VIVARIUM_TIMEOUT'];
    signal = timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(parseDurationMs(timeout, '--timeout'))]);
    using context = createContext(surroundings, interrupts, globals, signal);
    return await act(context);
  } catch (error) {
    return tell(surroundings, signal.aborted ? asTold(signal.reason) : error, globals, failureCode);
  }
}

/** Says on standard error what went wrong. @returns the exit code for it */
function tell({ host }: CliSurroundings, error: unknown, globals: GlobalFlags, failureCode: number): number {
  const debug = globals.debug === true || isOn(host.env['VIVARIUM_DEBUG']);
  const report = reportError(error, { address: givenAddress(host, globals) ?? defaultAddress, failureCode, debug });
  host.stderr.write(report.lines.map((line) => `${line}\n`).join(''));
  return report.exitCode;
}

const givenAddress = (host: CliHost, globals: GlobalFlags): string | undefined => globals.host ?? host.env['VIVARIUM_HOST'];

const flushed = async (stream: OutputStream): Promise<void> => { await new Promise<void>((resolve) => { stream.write('', () => { resolve(); }); }); };

interface OwnedContext extends CommandContext, Disposable {}

function createContext(surroundings: CliSurroundings, interrupts: Interrupts, globals: GlobalFlags, signal: AbortSignal): OwnedContext {
  const given = givenAddress(surroundings.host, globals);
  const address = parseAddress(given ?? defaultAddress);
  let connection: Promise<Connection> | undefined;
  let close = (): void => undefined;
  const open = async (): Promise<Connection> => {
    const { openConnection } = await import('./client/clients.ts');
    const opened = openConnection(address, signal, { clock: surroundings.host.clock, say: (line) => { surroundings.host.stderr.write(`${line}\n`); }, policy: callReconnectPolicy });
    close = () => { opened[Symbol.dispose](); };
    return opened;
  };
  return {
    ...surroundings,
    interrupts,
    address,
    addressGiven: given !== undefined,
    signal,
    requestId: requestIds(globals.requestId, () => surroundings.host.newId()),
    connect: async (...services) => await (await (connection ??= open())).clients(...services),
    [Symbol.dispose]: () => { close(); },
  };
}

/** Output that cannot be written ends the command; quietly, when its reader went away. The listeners stay: the last bytes may fail late. */
function watchOutputs(host: CliHost, interrupts: Interrupts): void {
  host.stdout.on('error', (error: Error) => { interrupts.outputFailed(error); });
  // Nobody reads what we could say about it.
  host.stderr.on('error', () => undefined);
}

const asTold = (reason: unknown): unknown =>
  reason instanceof Error && reason.name === 'TimeoutError' ? new CliError('the command took longer than --timeout allows') : reason;

const isOn = (text: string | undefined): boolean => text !== undefined && !['', '0', 'false', 'no'].includes(text);
