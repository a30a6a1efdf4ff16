/** What the doctor and the capabilities look at on the host; the node implementation is daemon/node-host-probe.ts. */
export interface HostProbe {
  readonly nodeVersion: string;
  readonly uid: number;
  readonly cpus: number;
  /** Undefined when there is no such file or it can't be read. */
  readText(path: string): Promise<string | undefined>;
  exists(path: string): Promise<boolean>;
  executable(path: string): Promise<boolean>;
  /** May be read and written by this process. */
  readWritable(path: string): Promise<boolean>;
  /** Makes, writes and removes a file in the directory, which is made first when it is missing. Undefined: it worked; else why not. */
  tryWriting(directory: string): Promise<string | undefined>;
  /** Undefined when the directory can't be asked. */
  freeBytes(directory: string): Promise<number | undefined>;
}

export type CgroupKind = 'v1' | 'v2' | 'hybrid' | 'none';

/** cgroups(7): a v2 tree at the root, v1 trees beside a v2 one, v1 trees alone. */
export async function cgroupKind(probe: Pick<HostProbe, 'exists'>): Promise<CgroupKind> {
  if (await probe.exists('/sys/fs/cgroup/cgroup.controllers')) return 'v2';
  if (!(await probe.exists('/sys/fs/cgroup/memory'))) return 'none';
  return (await probe.exists('/sys/fs/cgroup/unified/cgroup.controllers')) ? 'hybrid' : 'v1';
}

export interface HostMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/** proc(5), /proc/meminfo. */
export async function hostMemory(probe: Pick<HostProbe, 'readText'>): Promise<HostMemory> {
  const text = (await probe.readText('/proc/meminfo')) ?? '';
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? '0') * 1024;
  return { totalBytes: read('MemTotal'), availableBytes: read('MemAvailable') };
}
