import { raceSignal } from '../../base/abort.ts';
import { invalidRequest } from '../../core/model/errors.ts';

type Case = { readonly $case: string } | undefined;

/** The first message of a stream, which has to be one of the given cases. INVALID_REQUEST otherwise, also when the client closed before. */
export async function firstMessage<Message extends Case, Name extends string>(
  requests: AsyncIterator<{ message: Message }>, names: readonly Name[], signal: AbortSignal,
): Promise<Extract<Message, { $case: Name }>> {
  const first = await raceSignal(requests.next(), signal);
  const message = first.done === true ? undefined : first.value.message;
  if (message === undefined || !names.some((name) => name === message.$case)) {
    throw invalidRequest([{ field: 'message', description: `the first message must be ${names.join(' or ')}` }]);
  }
  return message as Extract<Message, { $case: Name }>;
}

/** The messages after the first. An empty one and another opening are refused. */
export async function* laterMessages<Message extends Case, Name extends string>(
  requests: AsyncIterator<{ message: Message }>, openers: readonly Name[],
): AsyncGenerator<Exclude<NonNullable<Message>, { $case: Name }>, void, undefined> {
  for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
    const { message } = next.value;
    if (message === undefined) throw invalidRequest([{ field: 'message', description: 'is empty or of a kind that this version does not know' }]);
    if (openers.some((name) => name === message.$case)) throw invalidRequest([{ field: `message.${message.$case}`, description: 'is allowed as the first message only' }]);
    yield message as Exclude<NonNullable<Message>, { $case: Name }>;
  }
}
