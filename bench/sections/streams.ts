import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliHost } from '../../src/cli/host.ts';
import { Interrupts } from '../../src/cli/interrupts.ts';
import { execCall } from '../../src/cli/stream/process-call.ts';
import { ProcessSession } from '../../src/cli/stream/process-session.ts';
import { defaultReconnectPolicy } from '../../src/cli/stream/reconnect-policy.ts';
import { ExecStart } from '../../src/gen/vivarium/v1/container.ts';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';
import { createSandbox, deleteSandboxes, FAKE_PROFILE, FLEET_FLAGS } from '../daemon/fake-fleet.ts';
import { judged } from '../figure.ts';
import type { Section, SectionContext } from '../figure.ts';
import { residentMib } from '../processes.ts';

const MIB = 1024 * 1024;
const CLIENTS = 100;
const STREAM_BYTES = 10 * MIB;
const KILLS = 20;
const PIECE_BYTES = 64 * 1024;
/** A prime, so that a piece that is repeated or left out never looks like its neighbour. */
const PERIOD = 65_521;
const LOOK_MS = 20;

const ROWS = {
  wrong: { name: 'bytes lost or repeated: 100 exec streams of 10 MiB, both directions, across 20 kills', target: '0' },
  memory: { name: "the daemon's memory with 100 streams under way, at most", target: '≤ 400 MiB' },
} as const;

const MEMORY_MIB = 400;

/** What is sent: a function of the offset, so that nobody has to keep it. */
const PATTERN = Buffer.from(Array.from({ length: PERIOD + PIECE_BYTES }, (_, index) => ((index % PERIOD) * 2_654_435_761) >>> 24));
const patternAt = (offset: number, length: number): Buffer => PATTERN.subarray(offset % PERIOD, (offset % PERIOD) + length);

/** Takes what comes back, and keeps only how much of it is right. */
class Checker extends Writable {
  bytes = 0;
  wrong = 0;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      const expected = patternAt(this.bytes, piece.length);
      if (!piece.equals(expected)) this.wrong += piece.reduce((sum, byte, index) => sum + (byte === expected[index] ? 0 : 1), 0);
      this.bytes += piece.length;
    }
    done();
  }
}

/** One client: the command line's own session, with streams of ours for a terminal. */
class Client {
  readonly stdin = new PassThrough();
  readonly stdout = new Checker();
  readonly stderr = new Checker();
  readonly ended: Promise<number>;

  constructor(bench: BenchClient, containerId: string, signal: AbortSignal, bytes: number) {
    this.ended = this.#run(bench, containerId, signal);
    // The session waits for room itself; a failure of it ends the section.
    void this.#feed(bytes).catch(() => undefined);
  }

  async #run(bench: BenchClient, containerId: string, signal: AbortSignal): Promise<number> {
    const host = this.#host();
    using interrupts = new Interrupts(host);
    const start = ExecStart.fromPartial({ requestId: host.newId(), containerId, command: ['cat'], stdin: true });
    using session = new ProcessSession(execCall(bench.containers, start), {
      host, interrupts, signal, stdin: true, detachKeys: new Uint8Array(), sigProxy: false, reconnect: defaultReconnectPolicy,
    });
    const { end } = await session.run();
    return end.kind === 'exit' ? end.exit.code : -1;
  }

  async #feed(bytes: number): Promise<void> {
    for (let at = 0; at < bytes; at += PIECE_BYTES) {
      if (this.stdin.write(patternAt(at, Math.min(PIECE_BYTES, bytes - at)))) continue;
      await new Promise((resolve) => { this.stdin.once('drain', resolve); });
    }
    this.stdin.end();
  }

  #host(): CliHost {
    const nothing: Disposable = { [Symbol.dispose]: () => undefined };
    return {
      stdin: this.stdin, stdout: this.stdout, stderr: this.stderr, env: {},
      clock: { now: () => new Date(), sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }) },
      newId: () => crypto.randomUUID(), onSignal: () => nothing, onExit: () => nothing, passOutputThrough: () => undefined, endNow: () => undefined,
    };
  }
}

/** What goes to 100 processes and comes back from them, while the daemon in between is killed again and again. */
export const STREAMS: Section = {
  name: 'streams',
  limitMs: 400_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    const { signal, rounds, quick } = context;
    await using daemon = await TestDaemon.start({ profiles: { fake: FAKE_PROFILE }, flags: FLEET_FLAGS });
    using bench = new BenchClient(daemon.host);
    const sandboxId = await createSandbox(bench, 'fake', signal);
    const containerId = await bench.sleeper(sandboxId, signal);
    const bytes = quick ? STREAM_BYTES / 10 : STREAM_BYTES;
    const clients = Array.from({ length: rounds(CLIENTS) }, () => new Client(bench, containerId, signal, bytes));
    const codes = Promise.all(clients.map(async ({ ended }) => await ended));
    const resident = await killAlong(daemon, clients, { bytes, kills: rounds(KILLS) }, codes, context);
    const failed = (await codes).filter((code) => code !== 0).length;
    await deleteSandboxes(bench, [sandboxId], 1, signal);
    const wrong = clients.reduce((sum, { stdout, stderr }) => sum + stdout.wrong + stderr.bytes + Math.abs(stdout.bytes - bytes), 0);
    const note = `${clients.length} streams of ${bytes / MIB} MiB there and back, ${rounds(KILLS)} kills, ${failed} ended otherwise than with 0`;
    return {
      figures: [
        judged({ ...ROWS.wrong, note, atMost: failed === 0 ? 0 : -1 }, 'bytes', wrong, undefined),
        judged({ ...ROWS.memory, note: 'VmRSS of each daemon right before it was killed', atMost: MEMORY_MIB }, 'MiB', Math.max(...resident), undefined),
      ],
      samples: { 'bytes lost or repeated a stream': clients.map(({ stdout }) => stdout.wrong + Math.abs(stdout.bytes - bytes)), 'resident before each kill, MiB': resident },
    };
  },
};

/** A kill each time another share of all bytes has come back. @returns the daemon's memory before each one, in MiB */
async function killAlong(daemon: TestDaemon, clients: readonly Client[], plan: { readonly bytes: number; readonly kills: number }, codes: Promise<unknown>, { signal, say }: SectionContext): Promise<number[]> {
  const resident: number[] = [];
  const share = (clients.length * plan.bytes) / (plan.kills + 1);
  const over = codes.then(() => true);
  for (let kill = 1; kill <= plan.kills; kill += 1) {
    while (clients.reduce((sum, { stdout }) => sum + stdout.bytes, 0) < share * kill) {
      if (await Promise.race([over, sleep(LOOK_MS, false, { signal })])) throw new Error(`the streams ended before kill ${kill}`);
    }
    resident.push(residentMib(daemon.pid));
    await daemon.crash();
    await daemon.boot();
    say(`kill ${kill}: ${Math.round(resident.at(-1) ?? 0)} MiB`);
  }
  return resident;
}
