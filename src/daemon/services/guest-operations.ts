import { join } from 'node:path';
import { throwIfAborted } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ProcessRunner } from '../../core/ports/host.ts';
import type { GuestBuildEvent, GuestBuildSpec, GuestOperations, GuestView, MutateOptions } from './facade.ts';

/** A child whose stdout is read line by line. */
export interface LineProcess {
  /** Lines without their end. Ends with the child's stdout. */
  readonly lines: AsyncIterable<string>;
  /** Resolves once; -1 when it could not be started. Never rejects. */
  readonly exit: Promise<{ readonly code: number; readonly stderrTail: string }>;
}

/** Starts a child; SIGTERM when the signal aborts, SIGKILL later. */
export type StartLineProcess = (command: string, args: readonly string[], options: { readonly cwd: string; readonly signal?: AbortSignal | undefined }) => LineProcess;

export interface GuestOperationsParts {
  readonly start: StartLineProcess;
  readonly runner: ProcessRunner;
  /** The program that runs the builder, and the builder: `node`, `dist/guest-build.js`. */
  readonly node: string;
  readonly builder: string;
  readonly guestDir: string;
  /** Relative defaults of the builder (the agent's binary) start here. */
  readonly cwd: string;
}

const LIST_MS = 30_000;

/** Builds guests by the guest builder's program and lists what it built. */
export class GuestBuilds implements GuestOperations {
  readonly #parts: GuestOperationsParts;

  constructor(parts: GuestOperationsParts) {
    this.#parts = parts;
  }

  /** GUEST_BUILD_FAILED with the builder's words. Building a name twice at a time is settled by the builder's own lock. */
  async *build(spec: GuestBuildSpec, { signal }: MutateOptions): AsyncGenerator<GuestBuildEvent, void, undefined> {
    const { start, node, builder, guestDir, cwd } = this.#parts;
    const child = start(node, [builder, 'build', spec.name, '--out', guestDir, '--progress', 'json', ...buildArguments(spec)], { cwd, signal });
    let outcome: BuilderLine = {};
    for await (const line of child.lines) {
      const message = parseLine(line);
      if (message.step === 'done' || message.error !== undefined) outcome = message;
      else if (message.step !== undefined) yield progress(message.step, message);
      else if (message.note !== undefined) yield progress('note', { detail: message.note });
    }
    const { code, stderrTail } = await child.exit;
    throwIfAborted(signal);
    if (code !== 0 || outcome.step !== 'done') throw buildFailed(spec.name, outcome, code, stderrTail);
    const guest = (await this.list()).find(({ name }) => name === spec.name);
    if (guest === undefined) throw buildFailed(spec.name, { error: { message: 'the builder was content, but the guest is not there' } }, code, stderrTail);
    yield { kind: 'result', guest, upToDate: outcome.changed === false };
  }

  async list(): Promise<readonly GuestView[]> {
    const { runner, node, builder, guestDir, cwd } = this.#parts;
    const { code, stdout, stderr } = await runner.run(node, [builder, 'ls', '--out', guestDir], { timeoutMs: LIST_MS, cwd });
    if (code !== 0) throw new DomainError('HOST_RESOURCE', `guests can't be listed: ${stderr.trim().slice(-400)}`, { facts: { exit_code: String(code) } });
    return parseListing(stdout).flatMap((entry) => toView(guestDir, entry) ?? []);
  }
}

interface BuilderLine {
  readonly step?: string;
  readonly detail?: string;
  readonly done?: number;
  readonly total?: number;
  readonly note?: string;
  readonly changed?: boolean;
  readonly error?: { readonly message: string; readonly remedy?: string };
}

function buildArguments(spec: GuestBuildSpec): readonly string[] {
  return [
    ...(spec.kernel === '' ? [] : ['--kernel', spec.kernel]),
    ...(spec.init === '' ? [] : ['--init', spec.init]),
    ...spec.modules.flatMap((name) => ['--module', name]),
    ...spec.packages.flatMap((name) => ['--package', name]),
    ...spec.files.flatMap(({ source, destination, mode }) => ['--file', `${source}:${destination}${mode === 0 ? '' : `:${mode.toString(8).padStart(3, '0')}`}`]),
  ];
}

function progress(step: string, line: BuilderLine): GuestBuildEvent {
  return { kind: 'progress', step, detail: line.detail ?? '', done: line.done ?? 0, total: line.total ?? 0 };
}

/** Anything that is not one of the builder's objects is a note: what apt says may slip through. */
function parseLine(line: string): BuilderLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { note: line.slice(0, 1000) };
}

function buildFailed(name: string, line: BuilderLine, code: number, stderrTail: string): DomainError {
  const why = line.error?.message ?? (stderrTail === '' ? `the builder ended with code ${code}` : stderrTail);
  return new DomainError('GUEST_BUILD_FAILED', `guest ${name} was not built: ${why}`, {
    remedy: line.error?.remedy ?? 'correct what the message names and build again',
    facts: { exit_code: String(code), ...(stderrTail === '' ? {} : { stderr: stderrTail }) },
  });
}

function parseListing(text: string): readonly Readonly<Record<string, unknown>>[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new DomainError('HOST_RESOURCE', "guests can't be listed: the builder's answer is no list");
  return value as Readonly<Record<string, unknown>>[];
}

/** Undefined for a guest whose manifest can't be read; the builder says so where it is asked to build it. */
function toView(guestDir: string, entry: Readonly<Record<string, unknown>>): GuestView | undefined {
  if (typeof entry['name'] !== 'string' || 'error' in entry) return undefined;
  const name = entry['name'];
  return {
    name,
    directory: join(guestDir, name),
    digest: text(entry['digest']),
    kernelVersion: text(entry['kernelRelease']),
    agentVersion: text(entry['agentVersion']),
    kernelBytes: Number(entry['vmlinuxBytes'] ?? 0),
    initramfsBytes: Number(entry['initramfsBytes'] ?? 0),
    builtAtMs: Date.parse(text(entry['builtAt'])),
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
