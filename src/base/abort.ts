import { addAbortListener } from 'node:events';

/** Calls back once after that many milliseconds unless disposed before. */
export type StartTimer = (ms: number, callback: () => void) => Disposable;

/** A signal of our own that follows others. Dispose of it as soon as the work is over: its listeners go with it. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}

/**
 * A signal that is aborted when the first of the others is, with that one's reason.
 *
 * AbortSignal.any keeps memory for each link to a long-lived signal on Node 20, even after the link is dropped. This is the only place that links.
 */
export function linkSignals(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const listeners: Disposable[] = [];
  const unlink = (): void => {
    for (const listener of listeners.splice(0)) listener[Symbol.dispose]();
  };
  const abort = (reason: unknown): void => {
    unlink();
    controller.abort(reason);
  };
  for (const source of sources) {
    if (source === undefined) continue;
    if (source.aborted) {
      abort(source.reason);
      break;
    }
    listeners.push(addAbortListener(source, () => { abort(source.reason); }));
  }
  return { signal: controller.signal, abort, [Symbol.dispose]: unlink };
}

/** A linked signal that is aborted as well when the time is over, with the error that `reason` makes then. */
export function deadline(options: { ms: number; timer: StartTimer; reason: () => Error; signals?: readonly (AbortSignal | undefined)[] }): LinkedSignal {
  const linked = linkSignals(...(options.signals ?? []));
  const timer = linked.signal.aborted ? undefined : options.timer(options.ms, () => { linked.abort(options.reason()); });
  const settle = (): void => {
    timer?.[Symbol.dispose]();
    linked[Symbol.dispose]();
  };
  if (timer !== undefined) linked.signal.addEventListener('abort', () => { timer[Symbol.dispose](); }, { once: true });
  return { signal: linked.signal, abort: (reason) => { linked.abort(reason); }, [Symbol.dispose]: settle };
}

/**
 * The promise's outcome, or a rejection with the signal's reason when that comes first. The work behind the promise goes on;
 * its late rejection is taken, not lost as unhandled.
 */
export async function raceSignal<T>(work: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const late = Promise.resolve(work);
  return await new Promise<T>((resolve, reject) => {
    const listener = signal.aborted ? undefined : addAbortListener(signal, () => { reject(reasonOf(signal)); });
    if (listener === undefined) reject(reasonOf(signal));
    late.then(resolve, reject).finally(() => { listener?.[Symbol.dispose](); });
  });
}

/** The signal's reason as an Error, for throwing. */
export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error(`aborted: ${String(reason)}`);
}

/** Throws the signal's reason when it is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw reasonOf(signal);
}

/** A promise with its two ends; settling it twice does nothing. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (error: unknown) => void;
}

/** Promise.withResolvers, which Node 20 lacks. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T | PromiseLike<T>) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
