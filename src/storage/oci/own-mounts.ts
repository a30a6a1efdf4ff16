import type { MountSpec } from '../../core/model/sandbox-spec.ts';
import { guestMount } from './guest-paths.ts';
import type { OciMount } from './runtime-spec.ts';

/** Of a tmpfs whose caller names no size and whose container has no limit. Half of the guest's memory, the kernel's own choice, is no limit. */
const DEFAULT_TMPFS_BYTES = 64 * 1024 * 1024;

export interface OwnMountFacts {
  readonly containerId: string;
  /** 0: no limit. */
  readonly memoryBytes: number;
}

/** The caller's mounts over those of image or bundle: one at the same destination takes its place. Parents come before what is mounted below them. */
export function withOwnMounts(base: readonly OciMount[], own: readonly MountSpec[], facts: OwnMountFacts): readonly OciMount[] {
  const taken = new Set(own.map(({ destination }) => destination));
  const mounts = own.map((mount, index) => ({ mount: ociMount(mount, index, facts), depth: depthOf(mount.destination) }));
  const ordered = mounts.sort((a, b) => a.depth - b.depth).map(({ mount }) => mount);
  return [...base.filter(({ destination }) => !taken.has(destination)), ...ordered];
}

function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}

function ociMount(mount: MountSpec, index: number, { containerId, memoryBytes }: OwnMountFacts): OciMount {
  const access = mount.readOnly ? 'ro' : 'rw';
  const { destination } = mount;
  switch (mount.kind) {
    case 'bind':
      return { destination, type: 'bind', source: guestMount(containerId, index), options: [mount.recursive ? 'rbind' : 'bind', mount.propagation === 'slave' ? 'rslave' : 'rprivate', access] };
    case 'volume':
      return { destination, type: 'bind', source: guestMount(containerId, index), options: ['rbind', 'rprivate', access] };
    case 'tmpfs': {
      const size = mount.sizeBytes || memoryBytes || DEFAULT_TMPFS_BYTES;
      const mode = (mount.mode || 0o1777).toString(8);
      return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', access, `size=${size}`, `mode=${mode}`] };
    }
  }
}
