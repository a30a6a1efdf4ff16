/** One thing of the host that a sandbox owns. Names are functions of instance and sandbox id; attributes hold what the kernel chose. */
export interface Resource {
  readonly kind: ResourceKind;
  /** Path, pid directory or name that finds it again. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Every kind of host resource that there is. One without its class in the ledger (core/ports/ledger.ts) does not compile. */
export const RESOURCE_KINDS = ['process', 'launcher', 'socket', 'mount', 'link', 'netns', 'cgroup', 'vfio', 'directory', 'image', 'volume', 'trash'] as const;

export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** Who a process is, so that a recycled pid is never taken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since boot. */
  readonly startTime: string;
  readonly bootId: string;
}
