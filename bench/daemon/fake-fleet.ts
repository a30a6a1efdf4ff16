import { FAKE_VMM } from '../paths.ts';
import type { BenchClient } from './client.ts';

/** A sandbox whose VMM only looks like one; no shared files, so that the rest is all there is. */
export const FAKE_PROFILE = `hypervisor_path = "${FAKE_VMM}"
accelerator = "tcg"
shared_fs = "none"
memory = "64MiB"
memory_overhead = "0MiB"
`;

/** Nothing is refused for want of memory: what VMMs look like they take, they do not. */
export const FLEET_FLAGS: readonly string[] = ['--admission-memory', '1TiB', '--admission-max-sandboxes', '5000', '--admission-queue-length', '5000'];

/** Work on each of some items, so many at a time; the first failure ends it. */
export async function eachAtOnce<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, async () => {
    // One iterator for all: each item is taken once.
    for (const item of waiting) await work(item);
  }));
}

/** A sandbox of a profile; answers its id. */
export async function createSandbox(client: BenchClient, profile: string, signal: AbortSignal): Promise<string> {
  const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: { profile } }, { signal });
  if (sandbox === undefined) throw new Error('no sandbox in the reply');
  return sandbox.id;
}

export async function deleteSandboxes(client: BenchClient, ids: readonly string[], atOnce: number, signal: AbortSignal): Promise<void> {
  await eachAtOnce(ids, atOnce, async (sandboxId) => { await client.sandboxes.deleteSandbox({ requestId: '', sandboxId, force: true }, { signal }); });
}
