import { addAbortListener } from 'node:events';

import { deferred, reasonOf, throwIfAborted } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ByteStream, Clock, SocketDialer } from '../../core/ports/host.ts';
import type { Wait } from './dial-in-time.ts';
import { dialInTime } from './dial-in-time.ts';
import { HandoverStream } from './handover-stream.ts';

const HANDSHAKE_MS = 10_000;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;
/** `OK <port>\n` is far shorter; whatever is longer is no answer to us. */
const LONGEST_LINE = 64;
const NEWLINE = 0x0a;

export interface HybridVsockTarget {
  readonly socketPath: string;
  readonly port: number;
}

/**
 * A connection to a vsock port of the guest through the VMM's Unix socket: `CONNECT <port>\n`, answered by `OK <host port>\n`, then the port's bytes.
 * Tried again while nobody listens in the guest. Rejects BOOT_TIMEOUT at the deadline, or the signal's reason.
 *
 * Not for a guest that is still booting behind vhost-device-vsock: that program dies for good when it is connected to while the guest's driver
 * starts. There, wait for a sign of readiness (a marker on the console) before calling this.
 */
export async function connectHybridVsock(target: HybridVsockTarget, deps: { dialer: SocketDialer; clock: Clock }, wait: Wait): Promise<ByteStream> {
  const endMs = deps.clock.monotonicMs() + wait.timeoutMs;
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    throwIfAborted(wait.signal);
    const leftMs = endMs - deps.clock.monotonicMs();
    if (leftMs <= 0) throw unanswered(target, wait.timeoutMs);
    const raw = await dialInTime(deps.dialer, target.socketPath, { timeoutMs: leftMs, signal: wait.signal });
    const handshakeMs = Math.max(1, Math.min(HANDSHAKE_MS, endMs - deps.clock.monotonicMs()));
    const stream = await handshake(raw, target.port, deps.clock, { timeoutMs: handshakeMs, signal: wait.signal });
    if (stream !== undefined) return stream;
    await deps.clock.sleep(Math.max(0, Math.min(pauseMs, endMs - deps.clock.monotonicMs())), { signal: wait.signal });
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

/** Undefined when this attempt came to nothing: closed, no answer, or another answer than OK. */
async function handshake(raw: ByteStream, port: number, clock: Clock, wait: Wait): Promise<ByteStream | undefined> {
  const stream = new HandoverStream(raw);
  const outcome = deferred<boolean>();
  let line: Uint8Array = new Uint8Array(0);
  stream.onClose(() => { outcome.resolve(false); });
  stream.onData((chunk) => {
    line = Buffer.concat([line, chunk]);
    const end = line.indexOf(NEWLINE);
    if (end < 0 && line.length <= LONGEST_LINE) return;
    stream.handOver(line.subarray(end + 1));
    outcome.resolve(end >= 0 && /^OK\b/i.test(Buffer.from(line.subarray(0, end)).toString('latin1')));
  });
  const timer = clock.timer(wait.timeoutMs, () => { outcome.resolve(false); });
  const { signal } = wait;
  const abort = signal === undefined ? undefined : addAbortListener(signal, () => { outcome.reject(reasonOf(signal)); });
  stream.write([Buffer.from(`CONNECT ${port}\n`, 'latin1')]);
  let agreed = false;
  try {
    agreed = await outcome.promise;
    return agreed ? stream : undefined;
  } finally {
    timer[Symbol.dispose]();
    abort?.[Symbol.dispose]();
    if (!agreed) stream.close();
  }
}

function unanswered(target: HybridVsockTarget, timeoutMs: number): DomainError {
  return new DomainError('BOOT_TIMEOUT', `nobody listened on vsock port ${target.port} of the guest within ${timeoutMs} ms`, {
    remedy: 'look at the sandbox console: the guest may not have booted, or has no agent',
  });
}
