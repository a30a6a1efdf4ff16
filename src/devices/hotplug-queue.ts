import { addAbortListener } from 'node:events';
import { raceSignal, reasonOf, throwIfAborted, deferred, type Deferred } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { HotplugChange, HotplugQueue } from '../core/ports/device.ts';
import type { WaitOptions } from '../core/ports/host.ts';

interface Entry {
  readonly subject: string;
  readonly verb: string;
  readonly spec: string;
  readonly run: () => Promise<void>;
  readonly outcome: Deferred<unknown>;
  callers: number;
}

/** One change at a time, in the order of asking. */
export class SerialHotplugQueue implements HotplugQueue {
  readonly #waiting: Entry[] = [];
  #running: Entry | undefined;

  async submit<T>(change: HotplugChange<T>, options: WaitOptions = {}): Promise<T> {
    throwIfAborted(options.signal);
    const entry = this.#join(change) ?? this.#add(change);
    return (await this.#follow(entry, options.signal)) as T;
  }

  /** The last of its subject: what comes before that one is what it follows upon. */
  #join({ subject, verb, spec }: HotplugChange<unknown>): Entry | undefined {
    const last = [...(this.#running === undefined ? [] : [this.#running]), ...this.#waiting].findLast((entry) => entry.subject === subject);
    if (last?.verb !== verb) return undefined;
    if (last.spec === spec) return last;
    throw new DomainError('NAME_IN_USE', `device ${subject} is being changed in another way`, { remedy: 'wait for that, or choose another id' });
  }

  #add<T>({ subject, verb, spec, work }: HotplugChange<T>): Entry {
    const outcome = deferred<unknown>();
    // Who asked may have gone by then.
    outcome.promise.catch(() => undefined);
    const run = async (): Promise<void> => { await work().then(outcome.resolve, outcome.reject); };
    const entry: Entry = { subject, verb, spec, run, outcome, callers: 0 };
    this.#waiting.push(entry);
    if (this.#running === undefined) void this.#work();
    return entry;
  }

  async #work(): Promise<void> {
    for (let entry = this.#waiting.shift(); entry !== undefined; entry = this.#waiting.shift()) {
      this.#running = entry;
      await entry.run();
    }
    this.#running = undefined;
  }

  async #follow(entry: Entry, signal: AbortSignal | undefined): Promise<unknown> {
    entry.callers += 1;
    using _watch = signal === undefined ? undefined : addAbortListener(signal, () => { this.#leave(entry, reasonOf(signal)); });
    return await raceSignal(entry.outcome.promise, signal);
  }

  /** The last caller of one that waits takes it along. */
  #leave(entry: Entry, reason: Error): void {
    entry.callers -= 1;
    const at = this.#waiting.indexOf(entry);
    if (entry.callers > 0 || at === -1) return;
    this.#waiting.splice(at, 1);
    entry.outcome.reject(reason);
  }
}
