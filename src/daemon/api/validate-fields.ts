import { isName } from '../../core/model/ids.ts';
import type { Duration } from '../../gen/google/protobuf/duration.ts';
import type { TtySize as TtySizeMessage } from '../../gen/vivarium/v1/container.ts';
import type { TtySize } from '../../core/model/sandbox-spec.ts';
import type { PageRequest } from '../services/facade.ts';
import type { FieldErrors } from './field-errors.ts';
import { LIMITS } from './limits.ts';

const REQUEST_ID = /^[\x21-\x7e]*$/;
const LABEL_KEY = /^[a-zA-Z0-9]([a-zA-Z0-9._/-]*[a-zA-Z0-9])?$/;
const NAME_RULE = 'must match [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}';

export function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** No NUL: the kernel and JSON-free wire formats end strings there. */
export function hasNul(text: string): boolean {
  return text.includes('\0');
}

/** A sandbox, container or exec as the client names it: id, end of an id, or name. */
export function checkReference(errors: FieldErrors, field: string, value: string): string {
  if (errors.check(value !== '', field, 'is required')) {
    errors.check(value.length <= LIMITS.referenceLength && isName(value), field, `is neither an id nor a name: a name ${NAME_RULE}`);
  }
  return value;
}

export function checkOptionalReference(errors: FieldErrors, field: string, value: string): string {
  return value === '' ? value : checkReference(errors, field, value);
}

/** Whether a request may have this id; empty is none. */
export function isRequestId(value: string): boolean {
  return value.length <= LIMITS.requestIdLength && REQUEST_ID.test(value);
}

export function checkRequestId(errors: FieldErrors, value: string, field = 'request_id'): string {
  errors.check(isRequestId(value), field, `must be at most ${LIMITS.requestIdLength} printable ASCII characters without spaces`);
  return value;
}

/** Empty is allowed: the daemon then takes the short id. */
export function checkNewName(errors: FieldErrors, field: string, value: string): string {
  errors.check(value === '' || isName(value), field, NAME_RULE);
  return value;
}

export function checkMapKeys(errors: FieldErrors, field: string, map: Readonly<Record<string, string>>, most: number): void {
  const keys = Object.keys(map);
  errors.check(keys.length <= most, field, `has ${keys.length} entries, at most ${most} are allowed`);
  for (const key of keys.slice(0, most)) {
    errors.check(key.length <= LIMITS.labelKeyLength && LABEL_KEY.test(key), `${field}[${JSON.stringify(key.slice(0, 64))}]`,
      `key must be at most ${LIMITS.labelKeyLength} letters, digits, '.', '_', '-' or '/', with a letter or digit at both ends`);
  }
}

export function checkLabels(errors: FieldErrors, field: string, labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checkMapKeys(errors, field, labels, LIMITS.labels);
  for (const [key, value] of Object.entries(labels)) {
    errors.check(byteLength(value) <= LIMITS.labelValueBytes && !hasNul(value), `${field}[${JSON.stringify(key.slice(0, 64))}]`, `value must be at most ${LIMITS.labelValueBytes} bytes without NUL`);
  }
  return Object.freeze({ ...labels });
}

export function checkAnnotations(errors: FieldErrors, field: string, annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checkMapKeys(errors, field, annotations, LIMITS.annotations);
  let total = 0;
  for (const [key, value] of Object.entries(annotations)) {
    total += byteLength(value);
    errors.check(byteLength(value) <= LIMITS.annotationValueBytes, `${field}[${JSON.stringify(key.slice(0, 64))}]`, `value must be at most ${LIMITS.annotationValueBytes} bytes`);
  }
  errors.check(total <= LIMITS.annotationsBytes, field, `values take ${total} bytes together, at most ${LIMITS.annotationsBytes} are allowed`);
  return Object.freeze({ ...annotations });
}

/** An absolute path of the host or guest. */
export function checkAbsolutePath(errors: FieldErrors, field: string, value: string): string {
  errors.check(value.startsWith('/') && !hasNul(value) && byteLength(value) <= LIMITS.pathBytes, field, `must be an absolute path of at most ${LIMITS.pathBytes} bytes`);
  return value;
}

/** A uint64 of bytes as a number; past 2^53 it could not be kept exactly. */
export function checkBytes(errors: FieldErrors, field: string, value: bigint): number {
  errors.check(value <= BigInt(Number.MAX_SAFE_INTEGER), field, 'is too large');
  return Number(value);
}

export function checkCpus(errors: FieldErrors, field: string, value: number): number {
  errors.check(Number.isFinite(value) && value >= 0 && value <= LIMITS.cpus, field, `must be between 0 and ${LIMITS.cpus}`);
  return value;
}

/** Undefined when the client left it out. A negative or absurd time is refused. */
export function checkDurationMs(errors: FieldErrors, field: string, value: Duration | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = Number(value.seconds) * 1000 + value.nanos / 1e6;
  errors.check(ms >= 0 && value.nanos >= 0 && value.nanos < 1e9 && ms <= 86_400_000, field, 'must be between 0 and 24 h');
  return ms;
}

export function checkTtySize(errors: FieldErrors, field: string, value: TtySizeMessage | undefined): TtySize | undefined {
  if (value === undefined) return undefined;
  for (const side of ['rows', 'columns'] as const) {
    errors.check(value[side] >= 1 && value[side] <= LIMITS.ttySide, `${field}.${side}`, `must be between 1 and ${LIMITS.ttySide}`);
  }
  return Object.freeze({ rows: value.rows, columns: value.columns });
}

/** 0 means the documented default, 1000; more than 1000 is refused rather than cut. */
export function checkPage(errors: FieldErrors, size: number, token: string): PageRequest {
  errors.check(size <= LIMITS.pageSize, 'page_size', `must be at most ${LIMITS.pageSize}`);
  errors.check(token.length <= LIMITS.pageTokenLength && REQUEST_ID.test(token), 'page_token', 'is not a token of an earlier answer');
  return { size: size === 0 ? LIMITS.pageSize : size, token };
}
