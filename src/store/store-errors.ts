import { DomainError } from '../core/model/errors.ts';
import { RecordError } from './records.ts';
import { errnoOf } from './store-files.ts';

const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** What a failed write means to the caller. What was on the disk before is still there, and what runs goes on. */
export function checkpointFailure(error: unknown, what: string): DomainError {
  if (error instanceof DomainError) return error;
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  if (FULL.has(errnoOf(error))) return new DomainError('STORAGE_FULL', message, { cause: error, remedy: 'free space in the state directory (--root); the operation can then be tried again' });
  if (error instanceof RecordError) return new DomainError('CHECKPOINT_FAILED', message, { cause: error, remedy: 'use fewer or shorter labels, annotations and arguments' });
  return new DomainError('CHECKPOINT_FAILED', message, { cause: error, remedy: 'check the state directory (--root): its disk may be read-only or failing' });
}
