import { UsageError } from '../cli-error.ts';

/**
 * The ids of one command's requests, in the order in which it makes them: fresh ones; or, of the id that the user gave, ID, ID-2, ID-3 and so on, so
 * that the same command with the same id makes the same requests again.
 * @throws {UsageError} for an empty id, which would be none
 */
export function requestIds(given: string | undefined, fresh: () => string): () => string {
  if (given === undefined) return fresh;
  if (given === '') throw new UsageError('--request-id: the id is empty');
  let made = 0;
  return () => {
    made += 1;
    return made === 1 ? given : `${given}-${made}`;
  };
}
