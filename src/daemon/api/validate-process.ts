import type { ExecSpec } from '../../core/model/sandbox-spec.ts';
import type { ExecStart, StreamOffsets } from '../../gen/vivarium/v1/container.ts';
import type { Offsets } from '../services/facade.ts';
import { parsed } from './field-errors.ts';
import type { FieldErrors } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { parseSignal } from './signals.ts';
import { byteLength, checkAbsolutePath, checkReference, checkRequestId, checkTtySize, hasNul } from './validate-fields.ts';

/** "user", "uid", "user:group" or "uid:gid"; names as useradd(8) takes them. */
const USER = /^([a-zA-Z_][a-zA-Z0-9_.-]{0,31}\$?|\d{1,10})(:([a-zA-Z_][a-zA-Z0-9_.-]{0,31}\$?|\d{1,10}))?$/;

export function parseExecStart(message: ExecStart): { containerRef: string; spec: ExecSpec; requestId: string } {
  return parsed((errors) => {
    errors.check(message.command.length > 0, 'start.command', 'is required');
    return {
      containerRef: checkReference(errors, 'start.container_id', message.containerId),
      requestId: checkRequestId(errors, message.requestId, 'start.request_id'),
      spec: Object.freeze({
        command: checkArguments(errors, 'start.command', message.command),
        env: checkEnvironment(errors, 'start.env', message.env),
        workingDir: checkWorkingDir(errors, 'start.working_dir', message.workingDir),
        user: checkUser(errors, 'start.user', message.user),
        tty: message.tty,
        stdin: message.stdin,
        ttySize: checkTtySize(errors, 'start.tty_size', message.ttySize),
        privileged: message.privileged,
      }),
    };
  });
}

/** Every argument may be any bytes but NUL; the sum is bounded by what a frame to the guest carries. */
export function checkArguments(errors: FieldErrors, field: string, values: readonly string[]): readonly string[] {
  errors.check(values.length <= LIMITS.argumentCount, field, `has ${values.length} entries, at most ${LIMITS.argumentCount} are allowed`);
  let total = 0;
  for (const [index, value] of values.slice(0, LIMITS.argumentCount).entries()) {
    const bytes = byteLength(value);
    total += bytes;
    errors.check(bytes <= LIMITS.argumentBytes, `${field}[${index}]`, `is ${bytes} bytes long, at most ${LIMITS.argumentBytes} are allowed`);
    errors.check(!hasNul(value), `${field}[${index}]`, 'must not contain NUL');
  }
  errors.check(total <= LIMITS.argumentsBytes, field, `takes ${total} bytes, at most ${LIMITS.argumentsBytes} are allowed`);
  return Object.freeze([...values]);
}

export function checkEnvironment(errors: FieldErrors, field: string, values: readonly string[]): readonly string[] {
  for (const [index, value] of values.slice(0, LIMITS.argumentCount).entries()) {
    errors.check(value.indexOf('=') > 0, `${field}[${index}]`, 'must have the form KEY=VALUE');
  }
  return checkArguments(errors, field, values);
}

/** Empty: as the image says. */
export function checkWorkingDir(errors: FieldErrors, field: string, value: string): string {
  return value === '' ? value : checkAbsolutePath(errors, field, value);
}

/** Empty: as the image says. */
export function checkUser(errors: FieldErrors, field: string, value: string): string {
  errors.check(value === '' || USER.test(value), field, 'must be "user", "uid", "user:group" or "uid:gid"');
  return value;
}

/** The signal in its one form; `fallback` is what an empty text means. */
export function checkSignal(errors: FieldErrors, field: string, value: string, fallback: string): string {
  if (value === '') return fallback;
  const signal = parseSignal(value);
  errors.check(signal !== undefined, field, `${JSON.stringify(value.slice(0, 32))} is not a signal`);
  return signal ?? fallback;
}

/** Absent offsets are the start of both streams. */
export function offsetsFromWire(message: StreamOffsets | undefined): Offsets {
  return { stdout: message?.stdout ?? 0n, stderr: message?.stderr ?? 0n };
}
