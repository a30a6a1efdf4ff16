import { DomainError } from '../core/model/errors.ts';
import type { DomainErrorDetails, ErrorReason, FieldViolation } from '../core/model/errors.ts';
import type { BegunRequest, RequestOutcome } from '../core/ports/stores.ts';
import { byKind, dictionary, list, maybe, number, object, ShapeError, text } from './codec.ts';
import type { Codec } from './codec.ts';

/**
 * A line of the request journal: a JSON object and, for a request that has ended, a tab and its outcome in base64. JSON has no bare tab, so the
 * first one parts the two, and outcomes need not be looked at when the journal is opened.
 */
export type RequestHead = BegunHead | EndedHead<'reply'> | EndedHead<'error'> | ForgottenHead;

interface BegunHead extends BegunRequest {
  readonly kind: 'begun';
}

interface EndedHead<Kind extends 'reply' | 'error'> extends BegunRequest {
  readonly kind: Kind;
  /** Of the outcome, before base64. */
  readonly bytes: number;
}

interface ForgottenHead {
  readonly kind: 'forgotten';
  readonly id: string;
}

const TAB = 0x09;

function tag<Kind extends string>(kind: Kind): Codec<Kind> {
  return {
    encode: () => kind,
    decode(json, path) {
      if (json !== kind) throw new ShapeError(path, `expected "${kind}"`);
      return kind;
    },
  };
}

const BEGUN = { id: text, method: text, digest: text, beganAtMs: number, subject: text } as const;
const head: Codec<RequestHead> = byKind<RequestHead>({
  begun: object<BegunHead>({ kind: tag('begun'), ...BEGUN }),
  reply: object<EndedHead<'reply'>>({ kind: tag('reply'), bytes: number, ...BEGUN }),
  error: object<EndedHead<'error'>>({ kind: tag('error'), bytes: number, ...BEGUN }),
  forgotten: object<ForgottenHead>({ kind: tag('forgotten'), id: text }),
});

export interface EncodedLine {
  readonly head: RequestHead;
  readonly bytes: Uint8Array;
  /** Where the outcome's base64 begins in the line, and how long it is; 0 and 0 without one. */
  readonly outcomeAt: number;
  readonly outcomeLength: number;
}

export function encodeBegun(begun: BegunRequest): EncodedLine {
  return encodeLine({ ...pick(begun), kind: 'begun' }, undefined);
}

export function encodeEnded(begun: BegunRequest, outcome: RequestOutcome): EncodedLine {
  const bytes = outcome.kind === 'reply' ? outcome.bytes : encodeError(outcome.error);
  return encodeLine({ ...pick(begun), kind: outcome.kind, bytes: bytes.length }, bytes);
}

export function encodeForgotten(id: string): EncodedLine {
  return encodeLine({ kind: 'forgotten', id }, undefined);
}

function pick({ id, method, digest, beganAtMs, subject }: BegunRequest): BegunRequest {
  return { id, method, digest, beganAtMs, subject };
}

function encodeLine(value: RequestHead, outcome: Uint8Array | undefined): EncodedLine {
  const json = JSON.stringify(head.encode(value));
  if (outcome === undefined) return { head: value, bytes: Buffer.from(`${json}\n`), outcomeAt: 0, outcomeLength: 0 };
  const base64 = Buffer.from(outcome.buffer, outcome.byteOffset, outcome.byteLength).toString('base64');
  return { head: value, bytes: Buffer.from(`${json}\t${base64}\n`), outcomeAt: Buffer.byteLength(json) + 1, outcomeLength: base64.length };
}

/** The head of a line (without its newline), and where its outcome is. Throws ShapeError or SyntaxError for a line that is torn or no line of ours. */
export function decodeLine(line: Buffer): Omit<EncodedLine, 'bytes'> {
  const tab = line.indexOf(TAB);
  const value = head.decode(JSON.parse(line.toString('utf8', 0, tab < 0 ? line.length : tab)), '');
  const outcomeLength = tab < 0 ? 0 : line.length - tab - 1;
  const expected = value.kind === 'reply' || value.kind === 'error' ? 4 * Math.ceil(value.bytes / 3) : 0;
  if (outcomeLength !== expected) throw new ShapeError('', `an outcome of ${outcomeLength} characters instead of ${expected}`);
  return { head: value, outcomeAt: tab < 0 ? 0 : tab + 1, outcomeLength };
}

/** Throws ShapeError or SyntaxError when the bytes are not what was written. */
export function decodeOutcome(kind: 'reply' | 'error', expected: number, base64: Uint8Array): RequestOutcome {
  const bytes = Buffer.from(Buffer.from(base64).toString('latin1'), 'base64');
  if (bytes.length !== expected) throw new ShapeError('', `${bytes.length} bytes instead of ${expected}`);
  return kind === 'reply' ? { kind, bytes } : { kind, error: decodeError(bytes) };
}

/** What is kept of an error: all but its cause and its stack, which say nothing outside the process that threw it. */
interface KeptError {
  readonly reason: string;
  readonly message: string;
  readonly remedy: string | undefined;
  readonly sandboxId: string | undefined;
  readonly containerId: string | undefined;
  readonly fields: readonly FieldViolation[] | undefined;
  readonly facts: Readonly<Record<string, string>> | undefined;
}

const keptError: Codec<KeptError> = object<KeptError>({
  reason: text,
  message: text,
  remedy: maybe(text),
  sandboxId: maybe(text),
  containerId: maybe(text),
  fields: maybe(list(object<FieldViolation>({ field: text, description: text }))),
  facts: maybe(dictionary(text)),
});

function encodeError(error: DomainError): Uint8Array {
  const { remedy, sandboxId, containerId, fields, facts } = error.details;
  return Buffer.from(JSON.stringify(keptError.encode({ reason: error.reason, message: error.message, remedy, sandboxId, containerId, fields, facts })));
}

function decodeError(bytes: Buffer): DomainError {
  const { reason, message, ...details } = keptError.decode(JSON.parse(bytes.toString('utf8')), '');
  // Only written from an ErrorReason, by this version or an older one, and reasons are never taken away.
  return new DomainError(reason as ErrorReason, message, details as DomainErrorDetails);
}
