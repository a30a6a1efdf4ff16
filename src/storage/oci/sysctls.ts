import type { Violations } from './violations.ts';

const NAME = /^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_:@-]+)+$/;
const EXACT = new Set(['kernel.sem', 'kernel.domainname']);
const PREFIXES = ['net.', 'kernel.shm', 'kernel.msg', 'fs.mqueue.'];

/** Why a name can't be set for one container; undefined when it can. */
function refusalOf(name: string): string | undefined {
  if (!NAME.test(name)) return 'not a sysctl name such as "net.core.somaxconn"';
  if (name === 'kernel.hostname') return "the host name is the sandbox's: set the sandbox's hostname";
  if (EXACT.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix))) return undefined;
  return 'it has no namespace of its own, so it would change the whole guest; put it into the profile\'s kernel parameters as "sysctl.NAME=VALUE"';
}

/** The sysctls that a container may set: those that belong to its ipc, uts and network namespaces. */
export function checkedSysctls(wanted: Readonly<Record<string, string>>, field: string, violations: Violations): Readonly<Record<string, string>> {
  const accepted: Record<string, string> = {};
  for (const [name, value] of Object.entries(wanted)) {
    const refusal = refusalOf(name);
    if (refusal !== undefined) violations.add(`${field}["${name}"]`, refusal);
    else if (value.includes('\0')) violations.add(`${field}["${name}"]`, 'the value holds a NUL byte');
    else accepted[name] = value;
  }
  return accepted;
}
