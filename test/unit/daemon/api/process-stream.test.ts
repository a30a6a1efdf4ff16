import { describe, expect, it } from 'vitest';
import { deferred } from '../../../../src/base/abort.ts';
import { AsyncQueue } from '../../../../src/base/async-queue.ts';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { ProcessPump } from '../../../../src/daemon/api/process-stream.ts';
import type { ClientMessage, ServerMessage } from '../../../../src/daemon/api/stream-messages.ts';
import { FakeProcessStream } from '../../../fakes/fake-process-stream.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';

class Call {
  readonly stream = new FakeProcessStream();
  readonly messages = new AsyncQueue<ClientMessage>(1000);
  readonly abort = new AbortController();
  readonly logger = new MemoryLogger();
  readonly clock = new ManualClock();
  readonly output: AsyncGenerator<ServerMessage, void, undefined>;

  constructor(takesStdin = true) {
    this.output = new ProcessPump(this.stream, { takesStdin, logger: this.logger, clock: this.clock }).run(this.messages[Symbol.asyncIterator](), this.abort.signal);
  }

  send(message: ClientMessage): void {
    if (!this.messages.tryPush(message)) throw new Error('the test sends too much');
  }

  stdin(offset: bigint, text: string): void {
    this.send({ $case: 'stdin', value: { offset, data: Buffer.from(text) } });
  }

  async next(): Promise<ServerMessage> {
    const next = await this.output.next();
    if (next.done === true) throw new Error('the stream has ended');
    return next.value;
  }

  async rest(): Promise<string[]> {
    const cases: string[] = [];
    for await (const message of this.output) cases.push(message.$case);
    return cases;
  }
}

describe('a process and its client', () => {
  it('starts with started, keeps the order of output, and ends after exit', async () => {
    const call = new Call();
    expect(await call.next()).toMatchObject({ $case: 'started', value: { execId: 'e'.repeat(32), stdinOffset: 0n } });
    void (async () => {
      await call.stream.emit('stdout', Buffer.from('out'));
      await call.stream.emit('stderr', Buffer.from('err'));
      await call.stream.exit();
    })();
    expect(await call.next()).toMatchObject({ $case: 'stdout', value: { offset: 0n, data: Buffer.from('out') } });
    expect(await call.rest()).toEqual(['stderr', 'exit']);
  });

  it('reads acknowledgements while stdin is stuck in the process', async () => {
    const call = new Call();
    const stuck = deferred<undefined>();
    call.stream.beforeStdin = async () => { await stuck.promise; };
    await call.next();
    call.stdin(0n, 'into a full pipe');
    call.send({ $case: 'ack', value: { stdout: 5n, stderr: 0n } });
    void call.stream.emit('stdout', Buffer.from('x'));
    expect(await call.next()).toMatchObject({ $case: 'stdout' });
    expect(call.stream.acks).toEqual([{ stdout: 5n, stderr: 0n }]);
    stuck.resolve(undefined);
    expect(await call.next()).toEqual({ $case: 'stdinAck', value: { offset: 16n } });
  });

  it('writes stdin in order and ends it when the client says so', async () => {
    const call = new Call();
    await call.next();
    call.stdin(0n, 'a');
    call.stdin(1n, 'b');
    call.send({ $case: 'stdinEof', value: {} });
    expect(await call.next()).toEqual({ $case: 'stdinAck', value: { offset: 1n } });
    expect(await call.next()).toEqual({ $case: 'stdinAck', value: { offset: 2n } });
    await call.stream.stdinClosed.promise;
    expect(Buffer.concat(call.stream.received).toString()).toBe('ab');
  });

  it('takes a client that closes its side for one that ended stdin and takes what comes', async () => {
    const call = new Call();
    await call.next();
    call.messages.end();
    void call.clock.advance(100);
    void (async () => {
      await call.stream.stdinClosed.promise;
      for (let part = 0; part < 40; part += 1) await call.stream.emit('stdout', Buffer.alloc(64 * 1024));
      await call.stream.exit();
    })();
    expect(await call.rest()).toHaveLength(41);
    expect(call.stream.acks.at(-1)).toEqual({ stdout: 40n * 65_536n, stderr: 0n });
  });

  it('leaves the stdin of a process alone when the side is closed because the call is being cancelled', async () => {
    const call = new Call();
    await call.next();
    const ended = call.rest();
    call.messages.end();
    await call.clock.advance(50);
    call.abort.abort(new DomainError('CANCELLED', 'gone'));
    await expect(ended).rejects.toMatchObject({ reason: 'CANCELLED' });
    await call.clock.advance(1000);
    expect(await Promise.race([call.stream.stdinClosed.promise.then(() => 'closed'), Promise.resolve('open')])).toBe('open');
    expect(call.stream.acks).toEqual([]);
    expect(call.clock.pending).toBe(0);
  });

  it('does not end the stdin of a process whose stdin this client does not have', async () => {
    const call = new Call(false);
    await call.next();
    call.messages.end();
    void call.stream.exit();
    expect(await call.rest()).toEqual(['exit']);
    expect(await Promise.race([call.stream.stdinClosed.promise.then(() => 'closed'), Promise.resolve('open')])).toBe('open');
  });

  it('passes resize and signal on in their one form', async () => {
    const call = new Call();
    await call.next();
    call.send({ $case: 'resize', value: { rows: 50, columns: 120 } });
    call.send({ $case: 'signal', value: { signal: 'int' } });
    call.stdin(0n, '.');
    await call.next();
    expect(call.stream.sizes).toEqual([{ rows: 50, columns: 120 }]);
    expect(call.stream.signals).toEqual(['SIGINT']);
  });
});

describe('ends of a stream', () => {
  it('ends with the signal\'s reason when the client is gone, and leaves the process its stdin', async () => {
    const call = new Call();
    await call.next();
    const ended = call.rest();
    call.abort.abort(new DomainError('CANCELLED', 'gone'));
    await expect(ended).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(await Promise.race([call.stream.stdinClosed.promise.then(() => 'closed'), Promise.resolve('open')])).toBe('open');
  });

  it.each<[string, ClientMessage]>([
    ['a size of nothing', { $case: 'resize', value: { rows: 0, columns: 1 } }],
    ['no signal', { $case: 'signal', value: { signal: '' } }],
    ['too much stdin in one message', { $case: 'stdin', value: { offset: 0n, data: Buffer.alloc(1024 * 1024 + 1) } }],
  ])('refuses %s', async (_what, message) => {
    const call = new Call();
    await call.next();
    call.send(message);
    await expect(call.rest()).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('goes on to the exit when a signal comes after the end of the process', async () => {
    const call = new Call();
    call.stream.signal = async () => { throw new DomainError('WRONG_STATE', 'it has ended'); };
    await call.next();
    call.send({ $case: 'signal', value: { signal: 'TERM' } });
    void call.stream.exit();
    expect(await call.rest()).toEqual(['exit']);
  });

  it('fails when the output ends without an exit, or fails itself', async () => {
    const lost = new Call();
    await lost.next();
    lost.stream.fail(new DomainError('AGENT_UNREACHABLE', 'link lost'));
    await expect(lost.rest()).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
  });

  it('says lost bytes where they were', async () => {
    const call = new Call();
    await call.next();
    void call.stream.lose({ kind: 'lost', stream: 'stderr', from: 3n, to: 9n });
    expect(await call.next()).toEqual({ $case: 'lost', value: { stream: 2, from: 3n, to: 9n } });
  });
});
