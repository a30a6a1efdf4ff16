const TOKEN = 16;
const HELLO = TOKEN + 2 + TOKEN;
const GO = TOKEN + 1;

export interface GuestLinkEvents {
  /** Everything unwritten is to be dropped; this ACK is the next thing written. */
  readonly hello: (ack: Uint8Array) => void;
  readonly go: () => void;
  readonly bytes: (bytes: Uint8Array) => void;
}

/** The guest's side of docs/protocols/agent-link.md, written from that page. It outlives connections, like a port. */
export class GuestLink {
  readonly instance: Uint8Array;
  readonly #events: GuestLinkEvents;
  #token: Uint8Array = Buffer.from('vivarium-boot-00');
  #state: 'idle' | 'agreed' | 'live' = 'idle';
  #held = Buffer.alloc(0);

  constructor(instance: Uint8Array, events: GuestLinkEvents) {
    this.instance = instance;
    this.#events = events;
  }

  get live(): boolean {
    return this.#state === 'live';
  }

  /** The current token, for tests of replays. */
  get token(): Uint8Array {
    return this.#token;
  }

  receive(chunk: Uint8Array): void {
    let bytes = Buffer.concat([this.#held, chunk]);
    for (;;) {
      const found = this.#find(bytes);
      if (found === undefined) break;
      if (found.next !== undefined) this.#greeted(found.next);
      else this.#opened();
      bytes = bytes.subarray(found.end);
    }
    // Bytes are passed on once no HELLO can begin in them any more.
    const keep = Math.min(bytes.length, HELLO - 1);
    const partial = this.#state === 'live' ? this.#partialLength(bytes) : keep;
    if (this.#state === 'live' && bytes.length > partial) this.#events.bytes(bytes.subarray(0, bytes.length - partial));
    this.#held = Buffer.from(bytes.subarray(bytes.length - partial));
    if (this.#state === 'live' && partial > 0) this.#releaseLater(this.#held);
  }

  /** What no HELLO followed was a part of a frame after all. */
  #releaseLater(held: Buffer): void {
    setImmediate(() => {
      if (this.#held !== held || this.#state !== 'live') return;
      this.#held = Buffer.alloc(0);
      this.#events.bytes(held);
    });
  }

  #find(bytes: Buffer): { end: number; next: Uint8Array | undefined } | undefined {
    for (let at = bytes.indexOf(this.#token); at >= 0; at = bytes.indexOf(this.#token, at + 1)) {
      const kind = bytes[at + TOKEN];
      if (kind === 1 && bytes[at + TOKEN + 1] === 1 && bytes.length >= at + HELLO) {
        return { end: at + HELLO, next: Uint8Array.from(bytes.subarray(at + TOKEN + 2, at + HELLO)) };
      }
      if (kind === 3 && this.#state === 'agreed') return { end: at + GO, next: undefined };
    }
    return undefined;
  }

  /** The length of the longest end that a HELLO may begin with. */
  #partialLength(bytes: Buffer): number {
    for (let length = Math.min(bytes.length, HELLO - 1); length > 0; length -= 1) {
      const end = bytes.subarray(bytes.length - length);
      const known = Math.min(length, TOKEN);
      if (Buffer.compare(end.subarray(0, known), this.#token.subarray(0, known)) === 0 && [undefined, 1].includes(end[TOKEN])) return length;
    }
    return 0;
  }

  #greeted(next: Uint8Array): void {
    this.#token = next;
    this.#state = 'agreed';
    this.#events.hello(Buffer.concat([next, Uint8Array.of(2, 1), this.instance]));
  }

  #opened(): void {
    this.#state = 'live';
    this.#events.go();
  }
}
