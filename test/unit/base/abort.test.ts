import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { deadline, deferred, linkSignals, raceSignal, reasonOf, throwIfAborted } from '../../../src/base/abort.ts';

/** One timer that the test fires by hand. */
class HandTimer {
  fire: () => void = () => {};
  ms = 0;
  disposed = 0;
  readonly start = (ms: number, callback: () => void): Disposable => {
    this.ms = ms;
    this.fire = callback;
    return { [Symbol.dispose]: () => { this.disposed += 1; } };
  };
}

describe('linkSignals', () => {
  it('follows the first source that is aborted, with its reason, and lets go of the others', () => {
    const a = new AbortController();
    const b = new AbortController();
    const linked = linkSignals(a.signal, undefined, b.signal);
    const reason = new Error('b ended');
    b.abort(reason);
    a.abort(new Error('too late'));
    expect(linked.signal.reason).toBe(reason);
    expect(getEventListeners(a.signal, 'abort')).toHaveLength(0);
  });

  it('is aborted at once by a source that already is', () => {
    const linked = linkSignals(AbortSignal.abort(new Error('before')), new AbortController().signal);
    expect(reasonOf(linked.signal).message).toBe('before');
  });

  it('keeps no listener once disposed', () => {
    const source = new AbortController();
    const linked = linkSignals(source.signal);
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(1);
    linked[Symbol.dispose]();
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(0);
    source.abort();
    expect(linked.signal.aborted).toBe(false);
  });

  it('can be aborted by its owner', () => {
    const source = new AbortController();
    const linked = linkSignals(source.signal);
    linked.abort(new Error('owner'));
    expect(reasonOf(linked.signal).message).toBe('owner');
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(0);
  });
});

describe('deadline', () => {
  it('aborts with the given error when the time is over', () => {
    const timer = new HandTimer();
    const limit = deadline({ ms: 250, timer: timer.start, reason: () => new Error('too slow') });
    expect(timer.ms).toBe(250);
    timer.fire();
    expect(reasonOf(limit.signal).message).toBe('too slow');
  });

  it('stops its timer when a source is aborted first', () => {
    const timer = new HandTimer();
    const source = new AbortController();
    const limit = deadline({ ms: 1, timer: timer.start, reason: () => new Error('too slow'), signals: [source.signal] });
    source.abort(new Error('caller left'));
    expect(reasonOf(limit.signal).message).toBe('caller left');
    expect(timer.disposed).toBe(1);
  });

  it('starts no timer when a source is aborted already, and cleans up when disposed', () => {
    const unused = new HandTimer();
    deadline({ ms: 1, timer: unused.start, reason: () => new Error('x'), signals: [AbortSignal.abort()] });
    expect(unused.ms).toBe(0);
    const timer = new HandTimer();
    const source = new AbortController();
    const limit = deadline({ ms: 1, timer: timer.start, reason: () => new Error('x'), signals: [source.signal] });
    limit[Symbol.dispose]();
    expect(timer.disposed).toBe(1);
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(0);
  });
});

describe('raceSignal', () => {
  it('gives the value and removes its listener', async () => {
    const source = new AbortController();
    await expect(raceSignal(Promise.resolve(7), source.signal)).resolves.toBe(7);
    await Promise.resolve();
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(0);
  });

  it('rejects with the reason; the late outcome is no unhandled rejection', async () => {
    const source = new AbortController();
    const work = deferred<never>();
    const raced = raceSignal(work.promise, source.signal);
    source.abort(new Error('gone'));
    await expect(raced).rejects.toThrow('gone');
    work.reject(new Error('late'));
  });

  it('rejects at once when the signal is aborted already', async () => {
    await expect(raceSignal(new Promise(() => {}), AbortSignal.abort('why'))).rejects.toThrow('why');
  });

  it('waits without a signal', async () => {
    await expect(raceSignal(Promise.resolve('x'), undefined)).resolves.toBe('x');
  });
});

it('throwIfAborted throws the reason', () => {
  expect(() => { throwIfAborted(AbortSignal.abort(new Error('r'))); }).toThrow('r');
  expect(() => { throwIfAborted(undefined); }).not.toThrow();
});
