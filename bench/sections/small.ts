import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';
import { judged, notMeasured } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { GUEST } from '../paths.ts';

const MIB = 1024 * 1024;
/** From small to large; the smallest that runs a container is the figure. */
const SIZES_MIB = [72, 80, 88, 96, 112, 128] as const;
const DEADLINE_MS = 20_000;

const ROWS = {
  initramfs: { name: 'initramfs', target: '≤ 8 MiB' },
  memory: { name: 'smallest guest that runs busybox', target: '≤ 96 MiB' },
} as const;

/** How small our guest is. */
export const SMALL: Section = {
  name: 'small',
  limitMs: 150_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    const { size } = await stat(join(GUEST, 'initramfs.cpio'));
    const manifest = JSON.parse(await readFile(join(GUEST, 'manifest.json'), 'utf8')) as { readonly digest: string };
    const runs = await sizesThatRun(context);
    const smallest = SIZES_MIB.find((mib) => runs.get(mib) === undefined && runs.has(mib));
    const failures = [...runs].flatMap(([mib, why]) => (why === undefined ? [] : [`${mib} MiB: ${why}`]));
    return outcome({ size, digest: manifest.digest, smallest, tried: [...runs.keys()], failures });
  },
};

/** Size → why it did not run; undefined where it did. Ends at the first that ran. */
async function sizesThatRun({ signal, say }: SectionContext): Promise<ReadonlyMap<number, string | undefined>> {
  await using daemon = await TestDaemon.start({ profiles: { small: 'boot_timeout = "15s"\nallowed_overrides = ["memory"]\n' } });
  using client = new BenchClient(daemon.host);
  const results = new Map<number, string | undefined>();
  for (const mib of SIZES_MIB) {
    const why = await busyboxIn(mib, client, signal);
    results.set(mib, why);
    say(`${mib} MiB: ${why ?? 'runs'}`);
    if (why === undefined) break;
  }
  return results;
}

async function busyboxIn(mib: number, client: BenchClient, outer: AbortSignal): Promise<string | undefined> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(DEADLINE_MS)]);
  const name = `mem-${mib}`;
  try {
    const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: { name, profile: 'small', overrides: { memory: `${mib}MiB` } } }, { signal });
    const container = await client.sleeper(sandbox?.id ?? '', signal);
    await client.must(container, ['true'], signal);
    return undefined;
  } catch (error) {
    outer.throwIfAborted();
    return error instanceof Error ? error.message.split('\n')[0]?.slice(0, 160) : String(error);
  } finally {
    // One that could not be made is gone already.
    await client.sandboxes.deleteSandbox({ requestId: '', sandboxId: name, force: true }, { signal: outer }).catch(() => undefined);
  }
}

interface Found {
  readonly size: number;
  readonly digest: string;
  readonly smallest: number | undefined;
  readonly tried: readonly number[];
  readonly failures: readonly string[];
}

function outcome({ size, digest, smallest, tried, failures }: Found): Outcome {
  const note = `container created, started and exec of \`true\`; tried ${tried.join(', ')} MiB${failures.length === 0 ? '' : `; ${failures.join('; ')}`}`;
  return {
    figures: [
      judged({ ...ROWS.initramfs, atMost: 8, note: `${size} bytes, uncompressed, as booted; the official one's is 29 MiB` }, 'MiB', size / MIB, undefined),
      smallest === undefined
        ? notMeasured(ROWS.memory, `it ran in none: ${note}`)
        : judged({ ...ROWS.memory, atMost: 96, note: `${note}; Debian's kernel with a one-binary initrd needs 80, the official agent 128` }, 'MiB', smallest, undefined),
    ],
    samples: { 'sizes tried, MiB': tried },
    facts: { 'guest digest': digest },
  };
}
