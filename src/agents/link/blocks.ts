// The blocks of docs/protocols/agent-link.md: a token, one kind byte, a payload of fixed size.

export const TOKEN_BYTES = 16;
/** 16 bytes that only host and agent know. */
export type Token = Uint8Array;

/** What a guest answers to that has never been greeted. */
export const BOOT_TOKEN: Token = Buffer.from('vivarium-boot-00', 'latin1');

const KIND_HELLO = 1;
const KIND_ACK = 2;
const KIND_GO = 3;
const VERSION = 1;
const KINDS: readonly (number | undefined)[] = [KIND_HELLO, KIND_ACK, KIND_GO];

/**
 * A token for the next hello, drawn until it does not begin with a kind byte. A HELLO ends with this token, and the next block may begin with it: a guest
 * that waits for this token and a GO would else take the beginning of the second for the kind of the first, and would be out of step for good.
 */
export function freshToken(random: (bytes: number) => Uint8Array): Token {
  for (;;) {
    const token = random(TOKEN_BYTES);
    if (!KINDS.includes(token[0])) return token;
  }
}

/** The beginning of an ACK, before its instance. */
export const ACK_MARK_BYTES = TOKEN_BYTES + 2;
export const ACK_BYTES = ACK_MARK_BYTES + TOKEN_BYTES;

export function hello(current: Token, next: Token): Uint8Array {
  return Buffer.concat([current, Uint8Array.of(KIND_HELLO, VERSION), next]);
}

export function ackMark(next: Token): Uint8Array {
  return Buffer.concat([next, Uint8Array.of(KIND_ACK, VERSION)]);
}

export function go(next: Token): Uint8Array {
  return Buffer.concat([next, Uint8Array.of(KIND_GO)]);
}
