import { codeName, daemonFailure, isUnreachable, startFailureExitCode, type DaemonFailure } from './client/daemon-failure.ts';
import { CliError } from './cli-error.ts';
import { ExitCode, interruptedBy } from './exit-codes.ts';
import { Interrupted, OutputClosed } from './interrupts.ts';

export interface ErrorReport {
  /** Lines for standard error; none for an error that ends quietly. */
  readonly lines: readonly string[];
  readonly exitCode: number;
}

export interface ErrorContext {
  /** The daemon's address, as the user knows it. */
  readonly address: string;
  /** The exit code of a failure that has none of its own. */
  readonly failureCode: number;
  /** Show codes and stacks too. */
  readonly debug: boolean;
}

/** What a user gets to read for an error, and the code to end with. Every line fits a log: no colours, no control characters. */
export function reportError(error: unknown, context: ErrorContext): ErrorReport {
  if (error instanceof Interrupted) return { lines: [], exitCode: interruptedBy(error.signal) };
  if (error instanceof OutputClosed) return { lines: [], exitCode: ExitCode.brokenPipe };
  if (error instanceof CliError) {
    return { lines: withDebug(messageLines(error.message, error.remedy), error, context), exitCode: error.exitCode };
  }
  const failure = daemonFailure(error);
  if (failure === undefined) {
    const message = error instanceof Error ? error.message : String(error);
    return { lines: withDebug(messageLines(message, ''), error, context), exitCode: context.failureCode };
  }
  const lines = isUnreachable(failure) ? unreachableLines(failure, context.address) : failureLines(failure);
  const debug = context.debug ? [`  ${codeName(failure)} ${failure.reason}`, ...Object.entries(failure.metadata).map(([key, value]) => `  ${key}: ${value}`)] : [];
  return { lines: withDebug([...lines, ...debug], error, context), exitCode: failureExitCode(failure, context.failureCode) };
}

function failureExitCode(failure: DaemonFailure, failureCode: number): number {
  const runsProcess = failureCode === ExitCode.daemonFailed;
  return runsProcess && failure.reason === 'PROCESS_START_FAILED' ? startFailureExitCode(failure) : failureCode;
}

const lastWordsLines = 8;

function failureLines(failure: DaemonFailure): string[] {
  // A message that lists its fields needs no list below it.
  const untold = failure.violations.filter(({ field, description }) => !failure.message.includes(`${field}: ${description}`));
  const fields = untold.map(({ field, description }) => `  ${printable(field)}: ${printable(description)}`);
  return [...messageLines(failure.message, failure.metadata['remedy'] ?? ''), ...fields, ...lastWords('vmm', failure.metadata['stderr']), ...lastWords('console', failure.metadata['console'])];
}

/** The end of what a VM that failed has said: often the only place where the cause stands. */
function lastWords(speaker: string, text = ''): string[] {
  const lines = printable(text).split('\n').filter((line) => line.trim() !== '').slice(-lastWordsLines);
  return lines.length === 0 ? [] : [`  ${speaker}:`, ...lines.map((line) => `    ${line}`)];
}

function unreachableLines(failure: DaemonFailure, address: string): string[] {
  return [`viv: cannot reach the daemon at ${address}: ${connectProblem(failure.message)} — start it with "viv daemon start"`];
}

const connectProblems: readonly (readonly [RegExp, string])[] = [
  [/ENOENT/, 'there is no such socket'],
  [/ECONNREFUSED/, 'nothing listens there'],
  [/EACCES|EPERM/, 'permission denied (the socket belongs to root)'],
  [/ENOTSOCK/, 'it is not a socket'],
];

function connectProblem(message: string): string {
  return connectProblems.find(([pattern]) => pattern.test(message))?.[1] ?? printable(message);
}

function messageLines(message: string, remedy: string): string[] {
  const [first = '', ...rest] = printable(message).split('\n');
  const lines = [`viv: ${first}`, ...rest.map((line) => `  ${line}`)];
  return remedy === '' ? lines : [...lines, `  fix: ${printable(remedy)}`];
}

function withDebug(lines: string[], error: unknown, context: ErrorContext): string[] {
  const stack = error instanceof Error ? error.stack : undefined;
  return context.debug && stack !== undefined ? [...lines, ...stack.split('\n').map((line) => `  ${line}`)] : lines;
}

/** Messages may carry a guest's words: nothing in them may steer the user's terminal. */
function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(/[^\P{Cc}\n\t]/gu, '?').trimEnd();
}
