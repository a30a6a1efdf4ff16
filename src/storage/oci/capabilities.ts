import type { OciCapabilities } from './runtime-spec.ts';
import type { Violations } from './violations.ts';

/** Linux 6.1's, in the order of their numbers (linux/capability.h). An agent may hang on a name that it does not know, so nothing else goes out. */
export const ALL_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE', 'CAP_NET_BIND_SERVICE', 'CAP_NET_BROADCAST', 'CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_IPC_LOCK', 'CAP_IPC_OWNER',
  'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_CHROOT', 'CAP_SYS_PTRACE', 'CAP_SYS_PACCT', 'CAP_SYS_ADMIN', 'CAP_SYS_BOOT', 'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE', 'CAP_SYS_TIME', 'CAP_SYS_TTY_CONFIG', 'CAP_MKNOD', 'CAP_LEASE', 'CAP_AUDIT_WRITE', 'CAP_AUDIT_CONTROL', 'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE', 'CAP_MAC_ADMIN', 'CAP_SYSLOG', 'CAP_WAKE_ALARM', 'CAP_BLOCK_SUSPEND', 'CAP_AUDIT_READ', 'CAP_PERFMON', 'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container has unless told otherwise: the set that Docker and containerd give. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETPCAP', 'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW', 'CAP_SYS_CHROOT', 'CAP_MKNOD', 'CAP_AUDIT_WRITE', 'CAP_SETFCAP',
];

const ALL = 'ALL';
const KNOWN = new Set(ALL_CAPABILITIES);

/** `net_admin`, `CAP_NET_ADMIN` → `CAP_NET_ADMIN`; undefined for a name that Linux does not have. */
export function capabilityName(text: string): string | undefined {
  const upper = text.toUpperCase();
  if (upper === ALL) return ALL;
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  return KNOWN.has(name) ? name : undefined;
}

export interface CapabilityRequest {
  readonly privileged: boolean;
  readonly add: readonly string[];
  readonly drop: readonly string[];
}

function named(names: readonly string[], field: string, violations: Violations): ReadonlySet<string> {
  const found = new Set<string>();
  names.forEach((text, index) => {
    const name = capabilityName(text);
    if (name === undefined) violations.add(`${field}[${index}]`, `"${text}" is not a capability of Linux`);
    else found.add(name);
  });
  return found;
}

/**
 * The capabilities of a container: the base (none after a drop of ALL, all after an add of ALL, else `base`) without what is
 * dropped, with what is added; a name in both lists is added. In the kernel's order.
 */
export function grantedCapabilities(request: CapabilityRequest, base: readonly string[], violations: Violations): readonly string[] {
  const add = named(request.add, 'spec.security.cap_add', violations);
  const drop = named(request.drop, 'spec.security.cap_drop', violations);
  if (request.privileged) return ALL_CAPABILITIES;
  const start = drop.has(ALL) ? [] : add.has(ALL) ? ALL_CAPABILITIES : base;
  const granted = new Set([...start.filter((name) => !drop.has(name)), ...add]);
  return ALL_CAPABILITIES.filter((name) => granted.has(name));
}

/** Inheritable and ambient stay empty: a file's inheritable bits must not give a process more than its own set. */
export function capabilitySets(granted: readonly string[]): OciCapabilities {
  return { bounding: granted, effective: granted, permitted: granted, inheritable: [], ambient: [] };
}
