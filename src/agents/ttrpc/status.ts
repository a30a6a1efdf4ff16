import { DomainError } from '../../core/model/errors.ts';
import type { ErrorReason } from '../../core/model/errors.ts';
import type { Status } from './message.ts';

/** The gRPC codes by number (ttrpc uses the same). */
const CODE_NAMES = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
] as const;

/** The guest's words are hostile input: no more of them than this goes up. */
const MAX_WORDS = 2000;

export function codeName(code: number): string {
  return CODE_NAMES[code] ?? `CODE_${code}`;
}

/** An agent's refusal as an error of ours. `facts.code` names the gRPC code, `facts.method` the call. */
export function refusal(method: string, status: Status): DomainError {
  const words = firstParagraph(status.message);
  const facts = { method, code: codeName(status.code) };
  const reason = reasonOf(status.code);
  switch (reason) {
    case 'AGENT_UNREACHABLE':
      return new DomainError(reason, `the guest agent did not finish ${method} in time: ${words}`, { facts, remedy: 'look at the sandbox console' });
    case 'UNSUPPORTED':
      return new DomainError(reason, `the guest agent has no call ${method}: ${words}`, { facts, remedy: 'use a guest with a newer agent' });
    default:
      return new DomainError(reason, `the guest agent refused ${method}: ${words}`, { facts });
  }
}

function reasonOf(code: number): ErrorReason {
  switch (codeName(code)) {
    case 'DEADLINE_EXCEEDED':
      return 'AGENT_UNREACHABLE';
    case 'UNIMPLEMENTED':
      return 'UNSUPPORTED';
    case 'OUT_OF_RANGE':
      return 'OFFSET_OUT_OF_RANGE';
    default:
      return 'AGENT_REFUSED';
  }
}

/** Some agents append a backtrace after a blank line. */
function firstParagraph(message: string): string {
  const words = message.trimStart().split(/\r?\n\s*\r?\n/, 1)[0] ?? '';
  const line = words.trim();
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}…` : line;
}
