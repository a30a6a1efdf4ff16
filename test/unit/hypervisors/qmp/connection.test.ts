import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QmpClosedError, QmpCommandError, QmpEventOverflowError, QmpProtocolError, QmpTimeoutError } from '../../../../src/hypervisors/qmp/errors.ts';
import { EVENT_CAPACITY, QmpConnection } from '../../../../src/hypervisors/qmp/connection.ts';
import type { QmpOptions } from '../../../../src/hypervisors/qmp/connection.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';
import { MemoryStream } from '../../../fakes/memory-stream.ts';

const GREETING = '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"], "future": 1}}\r\n';
const STATUS = '{"return": {"status": "running", "singlestep": false, "running": true}, "id": "v2"}\r\n';

function begin(options: Partial<QmpOptions> = {}): { stream: MemoryStream; clock: ManualClock; opening: ReturnType<typeof QmpConnection.open> } {
  const stream = new MemoryStream();
  const clock = new ManualClock();
  const opening = QmpConnection.open(stream, clock, { handshakeMs: 1000, ...options });
  opening.catch(() => {});
  return { stream, clock, opening };
}

async function connected(options: Partial<QmpOptions> = {}): Promise<{ stream: MemoryStream; clock: ManualClock; connection: QmpConnection }> {
  const { stream, clock, opening } = begin(options);
  stream.feed(GREETING);
  await settle();
  stream.feed('{"return": {}, "id": "v1"}\r\n');
  const { connection } = await opening;
  return { stream, clock, connection };
}

describe('opening', () => {
  it('waits for the greeting, then negotiates', async () => {
    const { stream, opening } = begin();
    await settle();
    expect(stream.written).toBe('');
    stream.feed(GREETING);
    await settle();
    expect(stream.written).toBe('{"execute":"qmp_capabilities","arguments":{},"id":"v1"}\n');
    stream.feed('{"return": {}, "id": "v1"}\r\n');
    await expect(opening).resolves.toMatchObject({ version: { major: 7, minor: 2, micro: 22, package: 'Debian' } });
  });

  it('ends when nobody greets in time', async () => {
    const { stream, clock, opening } = begin();
    await clock.advance(1000);
    await expect(opening).rejects.toMatchObject({ name: 'QmpClosedError', cause: expect.any(QmpTimeoutError) as unknown });
    expect(stream.closed).toBe(true);
  });

  it('ends when the capabilities are not agreed on in time', async () => {
    const { stream, clock, opening } = begin();
    stream.feed(GREETING);
    await clock.advance(1000);
    await expect(opening).rejects.toThrow(/no answer within 1000 ms/);
  });

  it('ends with the connection, with the signal, with what is no QMP, and with words before the greeting', async () => {
    const lost = begin();
    lost.stream.end();
    await expect(lost.opening).rejects.toBeInstanceOf(QmpClosedError);
    const source = new AbortController();
    const aborted = begin({ signal: source.signal });
    source.abort(new Error('caller left'));
    await expect(aborted.opening).rejects.toThrow('caller left');
    expect(aborted.stream.closed).toBe(true);
    const garbage = begin();
    garbage.stream.feed('HTTP/1.1 400\r\n');
    await expect(garbage.opening).rejects.toMatchObject({ cause: expect.any(QmpProtocolError) as unknown });
    const early = begin();
    early.stream.feed('{"return": {}}\n');
    await expect(early.opening).rejects.toMatchObject({ cause: expect.any(QmpProtocolError) as unknown });
  });

  it('leaves no timer behind', async () => {
    const { clock } = await connected();
    expect(clock.pending).toBe(0);
  });
});

describe('commands', () => {
  it('gives each reply to its own caller, in whatever order they come', async () => {
    const { stream, connection } = await connected();
    const status = connection.execute('query-status', {});
    const stop = connection.execute('stop', {});
    stream.feed('{"return": {"n": 3}, "id": "v3"}\n');
    await expect(stop).resolves.toEqual({ n: 3 });
    stream.feed(STATUS);
    await expect(status).resolves.toMatchObject({ status: 'running', running: true });
  });

  it('rejects a refused command with its class, its words and the stack of its caller', async () => {
    const { stream, connection } = await connected();
    const askFromHere = async (): Promise<unknown> => await connection.execute('cont', {});
    const asked = askFromHere();
    stream.feed('{"error": {"class": "GenericError", "desc": "not now"}, "id": "v2"}\n');
    const error: unknown = await asked.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(QmpCommandError);
    expect(error).toMatchObject({ message: 'cont: not now', errorClass: 'GenericError' });
    expect((error as Error).stack).toContain('askFromHere');
  });

  it('rejects one that is not answered, drops the late answer and goes on', async () => {
    const { stream, clock, connection } = await connected();
    const slow = connection.execute('query-status', {});
    slow.catch(() => {});
    await clock.advance(10_000);
    await expect(slow).rejects.toBeInstanceOf(QmpTimeoutError);
    stream.feed(STATUS);
    const next = connection.execute('query-status', {});
    stream.feed(STATUS.replace('v2', 'v3'));
    await expect(next).resolves.toMatchObject({ running: true });
  });

  it('rejects with the reason of its signal and keeps no timer', async () => {
    const { clock, connection } = await connected();
    const source = new AbortController();
    const reason = new Error('caller left');
    const asked = connection.execute('query-status', {}, { signal: source.signal });
    source.abort(reason);
    await expect(asked).rejects.toBe(reason);
    expect(clock.pending).toBe(0);
    await expect(connection.execute('query-status', {}, { signal: source.signal })).rejects.toBe(reason);
  });

  it('fails all that are pending and all that come later when the connection ends', async () => {
    const { stream, connection } = await connected();
    const pending = [connection.execute('query-status', {}), connection.execute('stop', {})];
    stream.end(new Error('reset'));
    for (const call of pending) await expect(call).rejects.toBeInstanceOf(QmpClosedError);
    await expect(connection.execute('cont', {})).rejects.toThrow(/closed the monitor/);
    await expect(connection.closed).resolves.toMatchObject({ cause: { message: 'reset' } });
  });

  it('ends the connection when the VMM could not read a command', async () => {
    const { stream, connection } = await connected();
    stream.feed('{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n');
    await expect(connection.closed).resolves.toMatchObject({ cause: { message: expect.stringContaining('JSON parse error') as unknown } });
  });
});

describe('events', () => {
  const event = (n: number): string => `{"event": "E${n}", "data": {"n": ${n}}, "timestamp": {"seconds": 1, "microseconds": ${n}}}\n`;

  it('come in order, those from before the listener first', async () => {
    const { stream, connection } = await connected();
    stream.feed(event(1) + event(2));
    const seen: string[] = [];
    connection.onEvent(({ event: name }) => { seen.push(name); });
    stream.feed(event(3));
    await settle();
    expect(seen).toEqual(['E1', 'E2', 'E3']);
  });

  it('carry data and time; without them they are empty', async () => {
    const { stream, connection } = await connected();
    const seen: unknown[] = [];
    connection.onEvent((one) => { seen.push(one); });
    stream.feed('{"event": "STOP", "data": {"a": 1}, "timestamp": {"seconds": 12, "microseconds": 345678}}\n{"event": "X", "timestamp": {"seconds": -1, "microseconds": -1}}\n');
    await settle();
    expect(seen).toEqual([{ event: 'STOP', data: { a: 1 }, atMs: 12_345 }, { event: 'X', data: {}, atMs: 0 }]);
  });

  it('do not hold up replies while nobody listens', async () => {
    const { stream, connection } = await connected();
    for (let n = 0; n < 100; n += 1) stream.feed(event(n));
    const asked = connection.execute('query-status', {});
    stream.feed(STATUS);
    await expect(asked).resolves.toMatchObject({ running: true });
  });

  it('close the connection by name when too many wait', async () => {
    const { stream, connection } = await connected();
    for (let n = 0; n <= EVENT_CAPACITY + 1; n += 1) stream.feed(event(n));
    await expect(connection.closed).resolves.toMatchObject({ cause: expect.any(QmpEventOverflowError) as unknown });
    expect(stream.closed).toBe(true);
  });

  it('close the connection when the listener fails', async () => {
    const { stream, connection } = await connected();
    connection.onEvent(() => { throw new Error('defect'); });
    stream.feed(event(1));
    await expect(connection.closed).resolves.toMatchObject({ cause: { cause: { message: 'defect' } } });
  });
});

describe('whatever the VMM sends', () => {
  const lines = [GREETING, '{"return": {}, "id": "v1"}\r\n', '{"event": "A"}\n', '{"event": "B", "data": null}\n', '{"unknown": true}\n', '[1]\n', '{"return": 1, "id": {"odd": []}}\n', '\n'];

  it('is understood alike however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(600), { maxLength: 12 }), async (cuts) => {
        const { stream, opening } = begin();
        const text = lines.join('');
        const places = [0, ...[...new Set(cuts)].filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        for (const [index, from] of places.entries()) {
          stream.feed(text.slice(from, places[index + 1]));
          await Promise.resolve();
        }
        // The second line answered before it was asked: its caller still waits, and is answered now.
        await settle();
        stream.feed('{"return": {}, "id": "v1"}\n');
        const { connection } = await opening;
        const seen: string[] = [];
        connection.onEvent(({ event }) => { seen.push(event); });
        await settle();
        expect(seen).toEqual(['A', 'B']);
        expect(stream.closed).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it('never throws out of the reader; garbage closes the connection', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), async (chunks) => {
        const { stream, connection } = await connected();
        for (const chunk of chunks) stream.feed(chunk);
        stream.feed('\nno JSON\n');
        await expect(connection.closed).resolves.toBeInstanceOf(QmpClosedError);
      }),
      { numRuns: 60 },
    );
  });

  it('any JSON value is taken without harm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.json(), { maxLength: 8 }), async (values) => {
        const { stream, connection } = await connected();
        for (const value of values) stream.feed(`${value}\n`);
        const asked = connection.execute('query-status', {});
        stream.feed(STATUS);
        await expect(asked).resolves.toMatchObject({ running: true });
      }),
      { numRuns: 60 },
    );
  });

  it('a line over the limit closes the connection, one under it is taken', async () => {
    const { stream, connection } = await connected({ maxLineBytes: 5000 });
    const asked = connection.execute('query-status', {});
    stream.feed(`{"return": {"status": "running", "pad": "${'x'.repeat(4000)}"}, "id": "v2"}\n`);
    await expect(asked).resolves.toMatchObject({ status: 'running' });
    stream.feed('y'.repeat(5001));
    await expect(connection.closed).resolves.toMatchObject({ cause: { cause: { name: 'LineTooLongError' } } });
  });

  it('deep nesting closes the connection or is taken, and harms nothing', async () => {
    const { stream, connection } = await connected();
    stream.feed(`{"return": ${'['.repeat(200_000)}${']'.repeat(200_000)}, "id": "none"}\n`);
    stream.end();
    await expect(connection.closed).resolves.toBeInstanceOf(QmpClosedError);
  });
});
