import { Serial } from './serial.ts';

/** Work on one key runs one after the other, in the order of asking; work on other keys goes on beside it. */
export class SerialByKey {
  readonly #lines = new Map<string, { readonly serial: Serial; waiting: number }>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { serial: new Serial(), waiting: 0 };
    this.#lines.set(key, line);
    line.waiting += 1;
    try {
      return await line.serial.run(work);
    } finally {
      line.waiting -= 1;
      if (line.waiting === 0) this.#lines.delete(key);
    }
  }
}
