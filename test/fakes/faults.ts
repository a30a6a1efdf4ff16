/** An errno error as Node's file system throws it. */
export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

export interface Faults<T extends object> {
  readonly target: T;
  /** The next so many calls of this method fail with that errno. */
  fail(method: keyof T & string, code: string, times?: number): void;
  /** Calls of a method so far, failed ones included. */
  count(method: keyof T & string): number;
}

/** The same object, whose methods fail when a test says so. */
export function withFaults<T extends object>(real: T): Faults<T> {
  const planned = new Map<string, { code: string; left: number }>();
  const counts = new Map<string, number>();
  const target = new Proxy(real, {
    get(object, key, receiver) {
      const value: unknown = Reflect.get(object, key, receiver);
      if (typeof value !== 'function' || typeof key !== 'string') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        const plan = planned.get(key);
        if (plan !== undefined && plan.left > 0) {
          plan.left -= 1;
          throw errno(plan.code);
        }
        return (await Reflect.apply(value, object, args)) as unknown;
      };
    },
  });
  return {
    target,
    fail: (method, code, times = 1) => { planned.set(method, { code, left: times }); },
    count: (method) => counts.get(method) ?? 0,
  };
}
