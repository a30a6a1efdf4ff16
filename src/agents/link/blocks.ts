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
