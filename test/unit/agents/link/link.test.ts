import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BOOT_TOKEN, freshToken, go, hello } from '../../../../src/agents/link/blocks.ts';
import { establishLink } from '../../../../src/agents/link/establish.ts';
import type { Link } from '../../../../src/agents/link/establish.ts';
import { LinkMachine } from '../../../../src/agents/link/machine.ts';
import { TokenStore } from '../../../../src/agents/link/token-store.ts';
import { cutAt } from '../../../fakes/agent/cut.ts';
import { GuestLink } from '../../../fakes/agent/guest-link.ts';
import type { MemoryStream } from '../../../fakes/agent/memory-stream.ts';
import { memoryPair } from '../../../fakes/agent/memory-stream.ts';
import { MemoryTokenFiles } from '../../../fakes/agent/memory-token-files.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';

const A = Buffer.alloc(16, 0xaa);
const B = Buffer.alloc(16, 0xbb);
const C = Buffer.alloc(16, 0xcc);
const INSTANCE = Buffer.alloc(16, 0x11);
const FILE = '/run/sb/agent.tokens';

function ack(next: Uint8Array): Buffer {
  return Buffer.concat([next, Uint8Array.of(2, 1), INSTANCE]);
}

function pushAll(machine: LinkMachine, chunks: readonly Uint8Array[]): { instance: string; rest: string; after: number } | undefined {
  for (const [index, chunk] of chunks.entries()) {
    const agreement = machine.push(chunk);
    if (agreement !== undefined) {
      const instance = Buffer.from(agreement.instance).toString('hex');
      return { instance, rest: Buffer.from(agreement.rest).toString('hex'), after: index };
    }
  }
  return undefined;
}

describe('link machine', () => {
  it('greets with one HELLO for each known token, oldest first, with one next', () => {
    expect(Buffer.concat(new LinkMachine([A, B], C).greeting())).toEqual(Buffer.concat([hello(A, C), hello(B, C)]));
    expect(Buffer.from(hello(A, C)).toString('hex')).toBe(`${'aa'.repeat(16)}0101${'cc'.repeat(16)}`);
    expect(Buffer.from(new LinkMachine([A], C).opening()).toString('hex')).toBe(`${'cc'.repeat(16)}03`);
  });

  it('finds the ACK in any noise, however it is cut, and gives back exactly what follows', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 40 }), fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 8 }), (noise, rest, cuts) => {
      const chunks = cutAt(Buffer.concat([noise, ack(C), rest]), cuts);
      const agreed = pushAll(new LinkMachine([A], C), chunks);
      expect(agreed?.instance).toBe('11'.repeat(16));
      const later = chunks.slice(agreed!.after + 1);
      expect(agreed!.rest + Buffer.concat(later).toString('hex')).toBe(Buffer.from(rest).toString('hex'));
    }), { numRuns: 500 });
  });

  it('is not fooled by tokens that a container replays', () => {
    const replay = Buffer.concat([ack(A), ack(B), hello(A, B), go(B), C.subarray(0, 15), ack(B)]);
    expect(pushAll(new LinkMachine([A, B], C), [replay])).toBeUndefined();
  });

  it('is not fooled by the beginning of an ACK before the ACK', () => {
    const wire = Buffer.concat([C, C, Uint8Array.of(2), C, Uint8Array.of(2, 9), ack(C)]);
    expect(pushAll(new LinkMachine([A], C), [...wire].map((byte) => Uint8Array.of(byte)))?.instance).toBe('11'.repeat(16));
  });
});

interface Setup {
  readonly clock: ManualClock;
  readonly files: MemoryTokenFiles;
  readonly host: MemoryStream;
  readonly guest: MemoryStream;
  readonly start: (options?: { timeoutMs?: number; signal?: AbortSignal }) => Promise<Link>;
}

function setup(next: Uint8Array = C): Setup {
  const clock = new ManualClock();
  const files = new MemoryTokenFiles();
  const { host, guest } = memoryPair();
  const deps = { clock, ids: { random: () => next }, tokens: new TokenStore(files) };
  return { clock, files, host, guest, start: (options = {}) => establishLink(host, deps, { tokenFile: FILE, timeoutMs: 5000, ...options }) };
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.catch((error: unknown) => (error as { reason?: string }).reason ?? (error as Error).message);
}

describe('a token for the next hello', () => {
  it.each([1, 2, 3])('never begins with the kind byte %i: a HELLO that is sent again and a GO would be read as one block', (kind) => {
    const draws = [Buffer.alloc(16, kind), Buffer.alloc(16, kind), Buffer.alloc(16, 4)];
    expect(freshToken(() => draws.shift()!)).toEqual(Buffer.alloc(16, 4));
  });

  it('opens a guest that was greeted again and again at the first byte of the frames, whatever its first byte', () => {
    for (let first = 0; first < 256; first += 1) {
      const draws = [first, 0x80].map((byte) => Buffer.concat([Uint8Array.of(byte), Buffer.from('-next-token-bbb')]));
      const next = freshToken(() => draws.shift()!);
      const seen: string[] = [];
      const guest = new GuestLink(INSTANCE, { hello: () => seen.push('ack'), go: () => seen.push('go'), bytes: (bytes) => seen.push(Buffer.from(bytes).toString()) });
      guest.receive(Buffer.concat([hello(BOOT_TOKEN, next), hello(BOOT_TOKEN, next), hello(A, next), go(next), Buffer.from('frames\u0001')]));
      expect(seen.join('|')).toBe('ack|go|frames\u0001');
    }
  });
});

describe('establishing a link', () => {
  it('greets a guest that is up at once, and opens the link at the moment the ACK comes', async () => {
    const { clock, files, host, guest, start } = setup();
    const seen: string[] = [];
    const link = new GuestLink(INSTANCE, { hello: (bytes) => { guest.write([bytes]); }, go: () => seen.push('go'), bytes: (bytes) => seen.push(Buffer.from(bytes).toString()) });
    guest.onData((chunk) => { link.receive(chunk); });
    const { stream, instance } = await start();
    stream.write([Buffer.from('frames')]);
    await settle();
    expect(instance).toBe('11'.repeat(16));
    expect(seen.join('|')).toBe('go|frames');
    expect(files.tokens(FILE)).toEqual(['cc'.repeat(16)]);
    expect(clock.pending).toBe(0);
    expect(clock.monotonicMs()).toBe(0);
    expect(host.closed).toBe(false);
  });

  it('greets again every 100 ms while the guest boots', async () => {
    const { clock, host, guest, start } = setup();
    const link = start();
    await settle();
    await clock.advance(350);
    expect(host.writes).toBe(4);
    guest.write([ack(C)]);
    await link;
    expect(host.writes).toBe(5);
  });

  it('keeps every token in the file until the ACK, and greets with all of them after it died half-way', async () => {
    const first = setup(B);
    const lost = first.start();
    lost.catch(() => undefined);
    await settle();
    expect(first.files.tokens(FILE)).toEqual([Buffer.from(BOOT_TOKEN).toString('hex'), 'bb'.repeat(16)]);

    const second = setup(C);
    second.files.files.set(FILE, first.files.files.get(FILE)!);
    const link = second.start();
    await settle();
    expect(Buffer.concat(second.host.written)).toEqual(Buffer.concat([hello(BOOT_TOKEN, C), hello(B, C)]));
    second.guest.write([ack(B), ack(C)]);
    await link;
    expect(second.files.tokens(FILE)).toEqual(['cc'.repeat(16)]);
    first.host.close();
  });

  it('always greets with the boot token too: the guest may have been started anew', async () => {
    const { files, host, guest, start } = setup();
    files.files.set(FILE, `vivarium-link 1\n${'aa'.repeat(16)}\n`);
    const link = start();
    await settle();
    expect(Buffer.concat(host.written)).toEqual(Buffer.concat([hello(BOOT_TOKEN, C), hello(A, C)]));
    guest.write([ack(C)]);
    await link;
  });

  it('does not pile greetings up in a socket that takes no more', async () => {
    const { clock, host, guest, start } = setup();
    host.clog();
    const link = start();
    await settle();
    await clock.advance(1000);
    expect(host.writes).toBe(1);
    host.drain();
    await clock.advance(100);
    expect(host.writes).toBe(2);
    guest.write([ack(C)]);
    await link;
  });

  it('hands on what followed the ACK in the same chunk', async () => {
    const { guest, start } = setup();
    const link = start();
    await settle();
    guest.write([Buffer.from('old noise'), ack(C), Buffer.from('first ')]);
    guest.write([Buffer.from('second')]);
    const { stream } = await link;
    const seen: string[] = [];
    stream.onData((chunk) => seen.push(Buffer.from(chunk).toString()));
    await settle();
    expect(seen.join('')).toBe('first second');
  });

  it.each([
    ['the deadline', 'BOOT_TIMEOUT', async (s: Setup): Promise<void> => { await s.clock.advance(5000); }],
    ['the end of the stream', 'AGENT_UNREACHABLE', async (s: Setup): Promise<void> => { s.guest.close(); }],
  ])('ends with %s', async (_, reason, act) => {
    const s = setup();
    const link = reasonOf(s.start());
    await settle();
    await act(s);
    expect(await link).toBe(reason);
    expect(s.clock.pending).toBe(0);
    expect(s.host.closed).toBe(true);
  });

  it('ends with the reason of its signal', async () => {
    const s = setup();
    const abort = new AbortController();
    const link = reasonOf(s.start({ signal: abort.signal }));
    await settle();
    abort.abort(new Error('stopped'));
    expect(await link).toBe('stopped');
    expect(s.clock.pending).toBe(0);
  });

  it('sends nothing when the tokens can not be kept', async () => {
    const s = setup();
    s.files.failure = new Error('ENOSPC');
    expect(await reasonOf(s.start())).toBe('HOST_RESOURCE');
    expect(s.host.writes).toBe(0);
  });

  it('refuses a token file that it can not read', async () => {
    const s = setup();
    s.files.files.set(FILE, 'something else\n');
    expect(await reasonOf(s.start())).toBe('AGENT_UNREACHABLE');
  });

  it('keeps the oldest token and the newest when deaths pile up', async () => {
    const files = new MemoryTokenFiles();
    const tokens = Array.from({ length: 50 }, (_, i) => Buffer.alloc(16, i));
    await new TokenStore(files).save(FILE, tokens);
    const kept = files.tokens(FILE);
    expect(kept).toHaveLength(32);
    expect([kept[0], kept[1], kept[31]]).toEqual(['00'.repeat(16), '13'.repeat(16), '31'.repeat(16)]);
  });
});
