import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';

import { KATA } from '../../../../src/agents/methods.ts';
import type { RawCall } from '../../../../src/agents/ttrpc/client.ts';
import { TtrpcClient } from '../../../../src/agents/ttrpc/client.ts';
import { CountedMetrics } from '../../../fakes/agent/counted-metrics.ts';
import { cutAt } from '../../../fakes/agent/cut.ts';
import type { MemoryStream } from '../../../fakes/agent/memory-stream.ts';
import { memoryPair } from '../../../fakes/agent/memory-stream.ts';
import { RawGuest } from '../../../fakes/agent/raw-guest.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';

const SERVING = Uint8Array.of(0x08, 1);
const CHECK: RawCall = { service: 'grpc.Health', name: 'Check', timeoutMs: 10_000, payload: [] };
const OUTPUT: RawCall = { service: 's', name: 'Output', timeoutMs: 0, payload: [] };

let clock: ManualClock;
let metrics: CountedMetrics;
let host: MemoryStream;
let guest: RawGuest;
let client: TtrpcClient;

function connect(cut?: (bytes: Uint8Array) => Uint8Array[]): void {
  clock = new ManualClock();
  metrics = new CountedMetrics();
  const pair = memoryPair(cut);
  host = pair.host;
  guest = new RawGuest(pair.guest);
  client = new TtrpcClient(host, { clock, metrics });
}

beforeEach(() => { connect(); });

async function outcome(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => 'ok', (error: unknown) => (error as { reason?: string; message: string }).reason ?? (error as Error).message);
}

describe('ttrpc client', () => {
  it('sends Check as its bytes are known on the wire, with a deadline, in one write', async () => {
    const { host: alone } = memoryPair();
    const bare = new TtrpcClient(alone, { clock, metrics });
    void bare.callRaw({ ...CHECK, timeoutMs: 0 }).catch(() => undefined);
    await settle();
    // The payload field is always there, empty: 1a 00.
    expect(Buffer.from(alone.written[0]!).toString('hex')).toBe('000000160000000101000a0b677270632e4865616c74681205436865636b1a00');
    expect(alone.writes).toBe(1);
  });

  it('answers a call and uses odd ids in order', async () => {
    guest.onRequest((request) => { guest.answer(request.streamId, SERVING); });
    await client.call(KATA.check, { service: '' });
    const answer = await client.call(KATA.check, { service: 'x' });
    expect(answer.status).toBe(1);
    expect(guest.requests.map((r) => [r.streamId, r.method, r.timeoutNano])).toEqual([[1, 'Check', 10_000_000_000n], [3, 'Check', 10_000_000_000n]]);
    expect(metrics.calls).toEqual([{ method: 'Check', code: 'OK' }, { method: 'Check', code: 'OK' }]);
  });

  it('gives each of many calls its own answer, in whatever order and pieces they come', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(20), { minLength: 1, maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }), async (order, cuts) => {
      connect((bytes) => cutAt(bytes, cuts));
      const calls = order.map((_, index) => client.callRaw({ ...CHECK, payload: [Uint8Array.of(index)] }));
      await settle();
      const shuffled = [...guest.requests].sort((a, b) => (order[a.payload[0]!]! - order[b.payload[0]!]!) || a.streamId - b.streamId);
      for (const request of shuffled) guest.answer(request.streamId, request.payload);
      const answers = await Promise.all(calls);
      expect(answers.map((answer) => answer[0])).toEqual(order.map((_, index) => index));
    }), { numRuns: 40 });
  });

  it('turns a status into a refusal and cuts a backtrace off', async () => {
    guest.onRequest((request) => { guest.refuse(request.streamId, 13, 'exec fifo exists\n\nStack backtrace:\n   0: x'); });
    const error = await client.callRaw(CHECK).catch((e: unknown) => e);
    expect(error).toMatchObject({ reason: 'AGENT_REFUSED', message: 'the guest agent refused Check: exec fifo exists', details: { facts: { code: 'INTERNAL', method: 'Check' } } });
  });

  it.each([[4, 'AGENT_UNREACHABLE'], [12, 'UNSUPPORTED'], [11, 'OFFSET_OUT_OF_RANGE'], [5, 'AGENT_REFUSED'], [99, 'AGENT_REFUSED']])('maps code %i to %s', async (code, reason) => {
    guest.onRequest((request) => { guest.refuse(request.streamId, code, 'words'); });
    expect(await outcome(client.callRaw(CHECK))).toBe(reason);
  });

  it('ends a call at its deadline and drops the answer that comes late', async () => {
    const call = outcome(client.callRaw(CHECK));
    await clock.advance(9_999);
    expect(guest.requests).toHaveLength(1);
    await clock.advance(1);
    expect(await call).toBe('AGENT_UNREACHABLE');
    guest.answer(1);
    await settle();
    expect(metrics.drops).toEqual(['agent_frame_late']);
    expect(host.closed).toBe(false);
  });

  it('lets deadlines stand still while the guest rests', async () => {
    const call = outcome(client.callRaw(CHECK));
    await clock.advance(6_000);
    client.rest(true);
    await clock.advance(3_600_000);
    client.rest(false);
    await clock.advance(3_999);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect(await call).toBe('AGENT_UNREACHABLE');
  });

  it('ends a call with the reason of its signal', async () => {
    const abort = new AbortController();
    const call = outcome(client.callRaw(CHECK, { signal: abort.signal }));
    abort.abort(new Error('enough'));
    expect(await call).toBe('enough');
    expect(clock.pending).toBe(0);
    expect(metrics.calls).toEqual([{ method: 'Check', code: 'CANCELLED' }]);
  });

  it('fails every call, present and later, when the connection ends', async () => {
    const ends: string[] = [];
    client.onEnd((error) => ends.push(error.message));
    const calls = [outcome(client.callRaw(CHECK)), outcome(client.callRaw(CHECK))];
    await settle();
    host.fail(new Error('ECONNRESET'));
    expect(await Promise.all(calls)).toEqual(['AGENT_UNREACHABLE', 'AGENT_UNREACHABLE']);
    expect(await outcome(client.callRaw(CHECK))).toBe('AGENT_UNREACHABLE');
    expect(ends).toEqual(['the connection to the guest agent was lost: ECONNRESET']);
    expect(clock.pending).toBe(0);
  });

  it.each([
    ['an id that was never opened', 99],
    ['an even id', 2],
  ])('ends the connection after %s', async (_, id) => {
    const call = outcome(client.callRaw(CHECK));
    await settle();
    guest.answer(id);
    expect(await call).toBe('AGENT_PROTOCOL');
    expect(host.closed).toBe(true);
  });

  it('ignores frames of an unknown type', async () => {
    const call = client.callRaw(CHECK);
    await settle();
    guest.send({ streamId: 1, type: 9, flags: 0, payload: Uint8Array.of(1) });
    guest.answer(1, SERVING);
    expect(await call).toEqual(Buffer.from(SERVING));
    expect(metrics.drops).toEqual(['agent_frame_unknown_type']);
  });

  it('ends the connection after a response that is no Response', async () => {
    const call = outcome(client.callRaw(CHECK));
    await settle();
    guest.send({ streamId: 1, type: 2, flags: 0, payload: Uint8Array.of(0x0a, 0xff, 0xff) });
    expect(await call).toBe('AGENT_PROTOCOL');
  });

  it('survives any garbage: every call ends, or the answer is still awaited, and nothing is thrown', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 5 }), async (noise) => {
      connect();
      const call = outcome(client.callRaw(CHECK));
      await settle();
      for (const bytes of noise) guest.raw(bytes);
      await settle();
      client.close();
      expect(['AGENT_UNREACHABLE', 'AGENT_PROTOCOL', 'AGENT_REFUSED', 'ok', 'UNSUPPORTED', 'OFFSET_OUT_OF_RANGE']).toContain(await call);
    }), { numRuns: 200 });
  });

  it('waits with new calls while the socket is full, for as long as their deadline allows', async () => {
    host.clog();
    const first = outcome(client.callRaw(CHECK));
    await settle();
    const second = outcome(client.callRaw(CHECK));
    await clock.advance(10_000);
    expect(guest.requests).toHaveLength(1);
    expect(await Promise.all([first, second])).toEqual(['AGENT_UNREACHABLE', 'AGENT_UNREACHABLE']);
  });

  it('refuses a request that is larger than a frame before anything is sent', async () => {
    expect(await outcome(client.callRaw({ ...CHECK, payload: [new Uint8Array(4 * 1024 * 1024)] }))).toBe('INVALID_REQUEST');
    expect(host.writes).toBe(0);
    expect(clock.pending).toBe(0);
  });
});

describe('ttrpc server streams', () => {
  it('gives data in order, then the end', async () => {
    const seen: string[] = [];
    client.openStream(OUTPUT, {
      onData: (bytes) => seen.push(Buffer.from(bytes).toString()),
      onResult: () => seen.push('end'),
      onError: () => seen.push('error'),
    });
    await settle();
    expect(guest.requests[0]).toMatchObject({ flags: 1, streamId: 1 });
    for (const word of ['a', 'b', 'c']) guest.data(1, Buffer.from(word));
    guest.answer(1);
    guest.data(1, Buffer.from('late'));
    await settle();
    expect(seen).toEqual(['a', 'b', 'c', 'end']);
    expect(metrics.drops).toEqual(['agent_frame_late']);
  });

  it('drops what comes for a stream that was stopped', async () => {
    const seen: string[] = [];
    const stream = client.openStream(OUTPUT, { onData: () => seen.push('data'), onResult: () => seen.push('end'), onError: () => seen.push('error') });
    await settle();
    stream[Symbol.dispose]();
    guest.data(1, Buffer.from('x'));
    await settle();
    expect(seen).toEqual([]);
    expect(host.closed).toBe(false);
  });

  it('ends the connection when a unary call gets stream data', async () => {
    const call = outcome(client.callRaw(CHECK));
    await settle();
    guest.data(1, Uint8Array.of(1));
    expect(await call).toBe('AGENT_PROTOCOL');
  });
});
