import { linkSignals } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { WaitOptions } from '../../core/ports/host.ts';

/** The guest is asked for what it is to see before it is done: its word then comes with the kernel's event, and not a call later. Taken back when the deed fails. */
export async function witnessed<T>(question: (options: WaitOptions) => Promise<T>, deed: () => Promise<void>): Promise<{ readonly answer: Promise<T> }> {
  const asking = linkSignals();
  const answer = question({ signal: asking.signal });
  answer.catch(() => undefined);
  try {
    await deed();
    return { answer };
  } catch (error) {
    asking.abort(new DomainError('CANCELLED', 'what the guest was asked for did not happen'));
    throw error;
  }
}
