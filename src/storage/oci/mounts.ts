import type { OciMount } from './runtime-spec.ts';

export interface MountFacts {
  readonly privileged: boolean;
  /** 0: 64 MiB. */
  readonly shmSizeBytes: number;
  /** Files that the guest's agent keeps for the sandbox's containers, each mounted at its own path. */
  readonly guestFiles: readonly string[];
  readonly readOnlyRootfs: boolean;
  /** Of the image's volumes, each over itself. */
  readonly volumes?: readonly OciMount[];
}

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** Bounded always: a tmpfs without a size may take half of the guest's memory. */
export function shmMount(shmSizeBytes: number): OciMount {
  return { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shmSizeBytes || DEFAULT_SHM_BYTES}`] };
}

/** Writable as the root file system is, and one for all containers of a sandbox: as those of a pod share theirs. */
export function guestFileMounts(files: readonly string[], readOnly: boolean): readonly OciMount[] {
  return files.map((path) => ({ destination: path, type: 'bind', source: path, options: ['rbind', readOnly ? 'ro' : 'rw'] }));
}

/** The file systems that every container has (OCI runtime specification, config-linux.md, "Default Filesystems", and those of other container tools). */
export function defaultMounts(facts: MountFacts): readonly OciMount[] {
  const access = facts.privileged ? 'rw' : 'ro';
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
    shmMount(facts.shmSizeBytes),
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'relatime', access] },
    ...(facts.readOnlyRootfs ? (facts.volumes ?? []) : []),
    ...guestFileMounts(facts.guestFiles, facts.readOnlyRootfs),
  ];
}
