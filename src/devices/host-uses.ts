import type { BlockHost } from './block-host.ts';

/** The kernel's files, as far as they tell of uses. */
export type UseFiles = Pick<BlockHost, 'text' | 'names'>;

const DEEPEST = 16;

/** Who on the host uses a block device, its partitions, or what is built on them; undefined: nobody that can be named. */
export async function useOfDevice(host: UseFiles, number: string): Promise<string | undefined> {
  const mounts = parseMounts(await host.text('/proc/self/mountinfo'));
  for (const relative of await relatives(host, number)) {
    const mount = mounts.get(relative.number);
    if (mount !== undefined) return `${relative.name} is mounted on ${mount}`;
  }
  return undefined;
}

/** A file that the host swaps to, or shows as a loop device. */
export async function useOfFile(host: UseFiles, path: string): Promise<string | undefined> {
  const swaps = (await host.text('/proc/swaps')).split('\n').slice(1).map((line) => unescape(line.split(/\s/)[0] ?? ''));
  if (swaps.includes(path)) return 'the host swaps to it';
  const loops = (await host.names('/sys/block')).filter((candidate) => candidate.startsWith('loop'));
  const files = await Promise.all(loops.map(async (name) => (await host.text(`/sys/block/${name}/loop/backing_file`)).trim()));
  const loop = loops[files.indexOf(path)];
  return loop === undefined ? undefined : `the host shows it as /dev/${loop}`;
}

interface Relative {
  readonly name: string;
  readonly number: string;
}

/** The device, its partitions, and whatever the kernel has built upon any of these. */
async function relatives(host: UseFiles, number: string, depth = 0): Promise<readonly Relative[]> {
  const directory = `/sys/dev/block/${number}`;
  const name = /^DEVNAME=(.*)$/m.exec(await host.text(`${directory}/uevent`))?.[1] ?? number;
  const own = { name: `/dev/${name}`, number };
  if (depth >= DEEPEST) return [own];
  const below = await Promise.all([...(await partitions(host, directory)), ...(await holders(host, directory))].map((next) => relatives(host, next, depth + 1)));
  return [own, ...below.flat()];
}

async function partitions(host: UseFiles, directory: string): Promise<readonly string[]> {
  const found = await Promise.all((await host.names(directory)).map(async (name) => {
    const isPartition = (await host.names(`${directory}/${name}`)).includes('partition');
    return isPartition ? (await host.text(`${directory}/${name}/dev`)).trim() : '';
  }));
  return found.filter((number) => number !== '');
}

async function holders(host: UseFiles, directory: string): Promise<readonly string[]> {
  const names = await host.names(`${directory}/holders`);
  const found = await Promise.all(names.map(async (name) => (await host.text(`${directory}/holders/${name}/dev`)).trim()));
  return found.filter((number) => number !== '');
}

/** Device number → where it is mounted first (proc(5), mountinfo: fields 3 and 5). */
function parseMounts(text: string): ReadonlyMap<string, string> {
  const mounts = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, , number, , point] = line.split(' ');
    if (number !== undefined && point !== undefined && !mounts.has(number)) mounts.set(number, unescape(point));
  }
  return mounts;
}

/** The kernel writes blanks and the like as `\040`. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
