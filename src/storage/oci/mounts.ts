import { GUEST_RESOLV_CONF } from './guest-paths.ts';
import type { OciMount } from './runtime-spec.ts';

export interface MountFacts {
  readonly privileged: boolean;
  /** 0: 64 MiB. */
  readonly shmSizeBytes: number;
  /** The sandbox has DNS lines, so the agent wrote a resolv.conf. */
  readonly resolvConf: boolean;
}

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** Bounded always: a tmpfs without a size may take half of the guest's memory. */
export function shmMount(shmSizeBytes: number): OciMount {
  return { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shmSizeBytes || DEFAULT_SHM_BYTES}`] };
}

export function resolvConfMounts(facts: { readonly resolvConf: boolean }): readonly OciMount[] {
  return facts.resolvConf ? [{ destination: '/etc/resolv.conf', type: 'bind', source: GUEST_RESOLV_CONF, options: ['rbind', 'ro'] }] : [];
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
    ...resolvConfMounts(facts),
  ];
}
