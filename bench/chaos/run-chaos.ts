import { setTimeout as delay } from 'node:timers/promises';
import { ContainerState } from '../../src/gen/vivarium/v1/container.ts';
import { SandboxState, sandboxStateToJSON } from '../../src/gen/vivarium/v1/sandbox.ts';
import { TestDaemon } from '../../test/system/daemon.ts';
import { FAKE_PROFILE, FLEET_FLAGS } from '../daemon/fake-fleet.ts';
import { LeakProof } from '../host/leak-proof.ts';
import type { Leaks } from '../host/leak-proof.ts';
import { readProcess } from '../host/own-processes.ts';
import { Book } from './book.ts';
import { killUntil } from './killer.ts';
import { Lane } from './lane.ts';
import { DaemonLife } from './life.ts';
import { killsOf, operationsOf } from './schedule.ts';

const SETTLE_MS = 30_000;
const LOOK_MS = 200;

export interface ChaosOptions {
  readonly seed: string;
  readonly seconds: number;
  readonly lanes: number;
  readonly killMs: number;
  /** QEMU in place of what only looks like it. */
  readonly real: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly book: Book;
  readonly leaks: Leaks;
  readonly home: string;
}

/** Lanes of operations beside a random schedule of kills, for so long; then judges what is left, deletes it, and proves that nothing of it stays on the host. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const book = new Book();
  const daemon = await TestDaemon.start({ profiles: { plain: FAKE_PROFILE, shared: FAKE_PROFILE.replace('"none"', '"virtiofs"') }, flags: FLEET_FLAGS });
  await daemon.stop();
  using life = new DaemonLife(daemon, options.signal);
  const proof = new LeakProof(life);
  await life.begin();
  await work(options, life, book);
  await judgeEnd(life, book);
  return { book, leaks: await proof.prove(), home: daemon.home };
}

async function work({ seed, seconds, lanes, killMs, real, signal, say }: ChaosOptions, life: DaemonLife, book: Book): Promise<void> {
  const time = new AbortController();
  const stop = AbortSignal.any([signal, time.signal]);
  const profiles = real ? { plain: 'default', shared: 'default' } : { plain: 'plain', shared: 'shared' };
  const timer = setTimeout(() => { time.abort(); }, seconds * 1000);
  try {
    const killer = killUntil(stop, killsOf(seed, killMs), { life, book, say });
    const all = Array.from({ length: lanes }, async (_each, index) => { await new Lane({ index, life, book, profiles }).run(operationsOf(seed, index), () => stop.aborted); });
    await Promise.all([killer, ...all]);
  } finally {
    clearTimeout(timer);
    time.abort();
  }
}

/** Once all is quiet: each VM that is said to live lives, and no container runs in one that does not. */
async function judgeEnd(life: DaemonLife, book: Book): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    const wrong = await whatIsWrong(life, book);
    if (wrong.length === 0) return;
    if (performance.now() > until) {
      for (const each of wrong) book.violate(each);
      return;
    }
    await delay(LOOK_MS);
  }
}

async function whatIsWrong(life: DaemonLife, book: Book): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { sandboxes } = await life.ask((client, signal) => client.sandboxes.listSandboxes({}, { signal }));
  for (const [id, name] of book.standing) {
    if (!sandboxes.some((sandbox) => sandbox.id === id)) wrong.push(`${name} (${id}) was acknowledged and is not in the list`);
  }
  for (const { id, state, vmmPid, spec } of sandboxes) {
    const lives = LIVE.has(state);
    if (!lives && !ENDED.has(state)) wrong.push(`${id} is still ${sandboxStateToJSON(state)}`);
    if (lives && !runs(vmmPid)) wrong.push(`${id} is ${sandboxStateToJSON(state)} and its VMM, pid ${vmmPid}, does not run`);
    if (lives && !book.standing.has(id) && !book.unknown.has(spec?.name ?? '')) wrong.push(`${spec?.name ?? ''} (${id}) is ${sandboxStateToJSON(state)}; its create was refused, or its delete asked for`);
    const { containers } = await life.ask((client, signal) => client.containers.listContainers({ sandboxId: id }, { signal }));
    const running = containers.filter((container) => container.state === ContainerState.CONTAINER_STATE_RUNNING);
    if (!lives && running.length > 0) wrong.push(`${id} is ${sandboxStateToJSON(state)} and ${running.length} of its containers are said to run`);
    if (state === SandboxState.SANDBOX_STATE_PAUSED) continue;
    for (const container of lives ? running : []) {
      const { code } = await life.ask((client, signal) => client.exec(container.id, ['true'], signal));
      if (code !== 0) wrong.push(`an exec in ${container.id} of ${id} ended with ${code}`);
    }
  }
  return wrong;
}

const LIVE: ReadonlySet<SandboxState> = new Set<SandboxState>([SandboxState.SANDBOX_STATE_READY, SandboxState.SANDBOX_STATE_RUNNING, SandboxState.SANDBOX_STATE_PAUSED]);
const ENDED: ReadonlySet<SandboxState> = new Set<SandboxState>([SandboxState.SANDBOX_STATE_STOPPED, SandboxState.SANDBOX_STATE_FAILED]);

function runs(pid: number): boolean {
  const found = readProcess(pid);
  return found !== undefined && found.state !== 'Z';
}
