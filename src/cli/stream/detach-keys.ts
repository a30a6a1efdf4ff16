import { UsageError } from '../cli-error.ts';

export const defaultDetachKeys = 'ctrl-p,ctrl-q';

/**
 * Reads `ctrl-p,ctrl-q`: keys are `ctrl-` and one of a-z @ [ \ ] ^ _, or a single character.
 * @returns the bytes that a terminal sends for them; empty when detaching is switched off
 * @throws {UsageError}
 */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === '') return new Uint8Array();
  const bytes = text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new UsageError(`--detach-keys: "${key}" is no key`, 'write it as ctrl-p,ctrl-q');
  });
  return Uint8Array.from(bytes);
}

/** Watches typed bytes for the detach sequence. Bytes of a beginning sequence are held back until it completes or turns out to be none. */
export class DetachMatcher {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** @returns what goes to the process now, and whether the sequence is complete; bytes after it are dropped */
  feed(typed: Uint8Array): { pass: Buffer; detached: boolean } {
    if (this.#keys.length === 0) return { pass: Buffer.from(typed), detached: false };
    const pass: number[] = [];
    for (const byte of typed) {
      this.#step(byte, pass);
      if (this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true };
    }
    return { pass: Buffer.from(pass), detached: false };
  }

  /** What is held back; for the end of input. */
  flush(): Buffer {
    const held = Buffer.from(this.#keys.subarray(0, this.#matched));
    this.#matched = 0;
    return held;
  }

  /** Goes on with the longest beginning of the sequence that still fits (as Knuth, Morris and Pratt do), and lets go of what is before it. */
  #step(byte: number, pass: number[]): void {
    const tail = [...this.#keys.subarray(0, this.#matched), byte];
    let keep = Math.min(tail.length, this.#keys.length);
    while (keep > 0 && !this.#startsWith(tail.slice(tail.length - keep))) keep -= 1;
    pass.push(...tail.slice(0, tail.length - keep));
    this.#matched = keep;
  }

  #startsWith(bytes: readonly number[]): boolean {
    return bytes.every((byte, index) => byte === this.#keys[index]);
  }
}
