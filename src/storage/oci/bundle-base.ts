import { DomainError } from '../../core/model/errors.ts';
import type { JsonObject } from '../json-document.ts';
import { BundleFields } from './bundle-fields.ts';
import { bundleDevices, bundleMounts } from './bundle-mounts.ts';
import { ALL_CAPABILITIES } from './capabilities.ts';
import type { MountFacts } from './mounts.ts';
import type { OciHook, OciResources, OciRlimit, OciUser } from './runtime-spec.ts';
import type { SpecBase } from './spec-base.ts';
import { checkedSysctls } from './sysctls.ts';
import type { Violations } from './violations.ts';

/**
 * The base that a bundle's config.json describes. Dropped without a word, since the guest has its own: cgroup paths, the network and time
 * namespaces, namespace paths, device cgroup rules, numbers of CPUs and memory nodes, block and network limits, SELinux and AppArmor labels, the host name.
 * Refused (UNSUPPORTED), since leaving it out would change what the container may do: user namespaces, mounts from the host, host devices.
 */
export function bundleBase(config: JsonObject, facts: MountFacts, violations: Violations): SpecBase {
  const fields = new BundleFields(config, '', violations);
  const process = fields.object('process');
  const linux = fields.object('linux');
  refuseUserNamespaces(linux);
  return {
    entrypoint: [],
    command: process.strings('args'),
    environment: { field: 'spec.bundle_path: process.env', entries: process.strings('env') },
    workingDir: process.string('cwd', '/'),
    user: userOf(process.object('user')),
    terminal: process.boolean('terminal'),
    capabilities: capabilitiesOf(process, violations),
    rlimits: process.objects('rlimits').map(rlimitOf),
    noNewPrivileges: process.boolean('noNewPrivileges'),
    oomScoreAdj: process.integer('oomScoreAdj') ?? 0,
    readOnlyRootfs: fields.object('root').boolean('readonly'),
    mounts: bundleMounts(fields.objects('mounts'), facts),
    devices: bundleDevices(linux.objects('devices')),
    resources: resourcesOf(linux.object('resources')),
    sysctls: checkedSysctls(linux.stringMap('sysctl'), 'spec.bundle_path: linux.sysctl', violations),
    maskedPaths: linux.strings('maskedPaths'),
    readonlyPaths: linux.strings('readonlyPaths'),
    seccomp: linux.raw('seccomp'),
    annotations: fields.stringMap('annotations'),
    startContainerHooks: fields.object('hooks').objects('startContainer').map(hookOf),
  };
}

function refuseUserNamespaces(linux: BundleFields): void {
  const asked = linux.objects('namespaces').some((namespace) => namespace.string('type') === 'user');
  if (!asked && linux.objects('uidMappings').length === 0 && linux.objects('gidMappings').length === 0) return;
  throw new DomainError('UNSUPPORTED', 'the bundle asks for a user namespace; containers run with the ids of their guest', { remedy: 'remove linux.uidMappings, linux.gidMappings and the user namespace from config.json' });
}

function userOf(user: BundleFields): OciUser {
  return { uid: user.integer('uid') ?? 0, gid: user.integer('gid') ?? 0, additionalGids: user.integers('additionalGids') };
}

/** The bounding set: what the first process can ever have. */
function capabilitiesOf(process: BundleFields, violations: Violations): readonly string[] {
  const asked = process.object('capabilities').strings('bounding');
  asked.forEach((name, index) => {
    if (!ALL_CAPABILITIES.includes(name)) violations.add(`spec.bundle_path: process.capabilities.bounding[${index}]`, `"${name}" is not a capability of Linux`);
  });
  return asked;
}

function rlimitOf(limit: BundleFields): OciRlimit {
  return { type: limit.string('type'), soft: limit.unsigned64('soft'), hard: limit.unsigned64('hard') };
}

export function hookOf(hook: BundleFields): OciHook {
  const timeout = hook.integer('timeout');
  return { path: hook.string('path'), args: hook.strings('args'), env: hook.strings('env'), ...(timeout === undefined ? {} : { timeout }) };
}

/** Only what is set: an absent key and "no limit" are the same to a cgroup. */
function resourcesOf(resources: BundleFields): OciResources {
  const cpu = resources.object('cpu');
  const memory = resources.object('memory');
  const cpuLimits = { ...limit(cpu, 'quota'), ...limit(cpu, 'period'), ...limit(cpu, 'shares') };
  const memoryLimits = { ...limit(memory, 'limit'), ...limit(memory, 'reservation'), ...limit(memory, 'swap') };
  const pids = limit(resources.object('pids'), 'limit');
  return {
    ...(Object.keys(cpuLimits).length > 0 ? { cpu: cpuLimits } : {}),
    ...(Object.keys(memoryLimits).length > 0 ? { memory: memoryLimits } : {}),
    ...(pids.limit === undefined ? {} : { pids: { limit: pids.limit } }),
  };
}

function limit<Key extends string>(fields: BundleFields, key: Key): { [K in Key]?: number } {
  const value = fields.integer(key);
  return value !== undefined && value > 0 ? ({ [key]: value } as { [K in Key]?: number }) : {};
}
