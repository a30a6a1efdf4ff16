import type { ContainerSpec } from '../../core/model/sandbox-spec.ts';
import type { ContainerNode } from '../../core/ports/agent.ts';
import type { ImageVolume } from '../../core/ports/rootfs-disks.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import type { JsonObject } from '../json-document.ts';
import { bundleBase } from './bundle-base.ts';
import { capabilitySets, grantedCapabilities } from './capabilities.ts';
import { commandLine, workingDirectory } from './command-line.ts';
import { baseEnvironment, mergeEnvironment } from './environment.ts';
import { guestCgroup, guestRootfs } from './guest-paths.ts';
import { checkedResources } from './resources.ts';
import { checkedRlimits } from './rlimits.ts';
import { OCI_VERSION } from './runtime-spec.ts';
import type { OciDeviceRule, OciLinux, OciMount, OciNamespace, OciProcess, OciResources, OciRuntimeSpec } from './runtime-spec.ts';
import { checkedSeccomp } from './seccomp.ts';
import { withOwnMounts } from './own-mounts.ts';
import { COMMON_RULES, ownNodes } from './own-nodes.ts';
import { imageBase } from './spec-base.ts';
import type { SpecBase } from './spec-base.ts';
import { checkedSysctls } from './sysctls.ts';
import { resolveUser } from './users.ts';
import type { ResolvedUser, UserFiles } from './users.ts';
import { Violations } from './violations.ts';

export interface ContainerSpecInput {
  readonly containerId: string;
  readonly spec: ContainerSpec;
  /** The sandbox's. */
  readonly hostname: string;
  /** Files that the guest's agent keeps for the sandbox's containers. */
  readonly guestFiles: readonly string[];
  /** The image's volumes, where they are in its root file system. */
  readonly volumes?: readonly ImageVolume[];
  /** Where the guest has its root file system; undefined: in the share. */
  readonly root?: string | undefined;
  /** Devices of the guest for this container. */
  readonly nodes?: readonly ContainerNode[];
  /** The guest enforces who may open which device. */
  readonly ruled?: boolean;
  readonly image: ImageConfig | undefined;
  /** config.json of a bundle; then there is no image. */
  readonly bundleSpec: JsonObject | undefined;
  /** Undefined while nobody can tell: then a user's name is taken to be right. */
  readonly users: UserFiles | undefined;
}

/**
 * The OCI runtime spec that the agent gets for a container. Pure.
 * Throws INVALID_REQUEST with every wrong field at once, UNSUPPORTED for what a bundle asks and this version can't give.
 */
export function containerRuntimeSpec(input: ContainerSpecInput): OciRuntimeSpec {
  const { spec, containerId } = input;
  const violations = new Violations();
  const root = input.root ?? guestRootfs(containerId);
  const facts = { privileged: spec.security.privileged, shmSizeBytes: spec.shmSizeBytes, guestFiles: input.guestFiles, readOnlyRootfs: spec.security.readOnlyRootfs, volumes: (input.volumes ?? []).map((volume) => volumeMount(root, volume)) };
  const base = input.bundleSpec === undefined ? imageBase(input.image, facts) : bundleBase(input.bundleSpec, facts, violations);
  const process = processOf(input, base, violations);
  const linux = linuxOf(input, base, violations);
  violations.throwIfAny();
  return {
    ociVersion: OCI_VERSION,
    process,
    root: { path: root, readonly: spec.security.readOnlyRootfs || base.readOnlyRootfs },
    hostname: input.hostname,
    mounts: withOwnMounts(base.mounts, spec.mounts, { containerId, memoryBytes: spec.resources.memoryBytes }),
    ...(base.startContainerHooks.length > 0 ? { hooks: { startContainer: base.startContainerHooks } } : {}),
    annotations: { ...base.annotations, ...spec.annotations },
    linux,
  };
}

function processOf(input: ContainerSpecInput, base: SpecBase, violations: Violations): OciProcess {
  const { spec, hostname } = input;
  const { security } = spec;
  const who = userOf(spec.user, base, input.users, violations);
  const terminal = spec.tty || base.terminal;
  const args = commandLine({ entrypoint: spec.entrypoint, args: spec.args, imageEntrypoint: base.entrypoint, imageCommand: base.command }, violations);
  const layers = [baseEnvironment({ containerId: input.containerId, home: who.home, hostname, tty: terminal }), base.environment, { field: 'spec.env', entries: spec.env }];
  const granted = grantedCapabilities({ privileged: security.privileged, add: security.capAdd, drop: security.capDrop }, base.capabilities, violations);
  return {
    terminal,
    ...(terminal && spec.ttySize !== undefined ? { consoleSize: { height: spec.ttySize.rows, width: spec.ttySize.columns } } : {}),
    user: who.user,
    args,
    env: mergeEnvironment(layers, violations),
    cwd: workingDirectory(spec.workingDir === '' ? base.workingDir : spec.workingDir, 'spec.working_dir', violations),
    capabilities: capabilitySets(granted),
    rlimits: checkedRlimits(security.rlimits.length > 0 ? security.rlimits : base.rlimits, 'spec.security.rlimits', violations),
    noNewPrivileges: security.noNewPrivileges || base.noNewPrivileges,
    // Said even when it is 0: the agent's own value protects the agent and would be inherited.
    oomScoreAdj: base.oomScoreAdj,
  };
}

function userOf(wanted: string, base: SpecBase, users: UserFiles | undefined, violations: Violations): ResolvedUser {
  const named = wanted === '' ? base.user : wanted;
  const asked = typeof named === 'string' ? named : `${named.uid}:${named.gid}`;
  if (users === undefined) return { user: { uid: 0, gid: 0, additionalGids: [] }, home: '/' };
  const found = resolveUser(asked, users);
  if ('description' in found) {
    violations.add('spec.user', found.description);
    return { user: { uid: 0, gid: 0, additionalGids: [] }, home: '/' };
  }
  return typeof named === 'string' ? found : { user: named, home: found.home };
}

function linuxOf(input: ContainerSpecInput, base: SpecBase, violations: Violations): OciLinux {
  const { security } = input.spec;
  const open = security.privileged || security.unmasked;
  const seccomp = checkedSeccomp(security.seccompProfileJson, 'spec.security.seccomp_profile_json', violations) ?? base.seccomp;
  const own = ownNodes(input.nodes ?? []);
  const rules = deviceRules(input, base, own.rules);
  const taken = new Set(own.devices.map(({ path }) => path));
  const sysctls = { ...base.sysctls, ...checkedSysctls(security.sysctls, 'spec.security.sysctls', violations) };
  return {
    namespaces: namespaces(),
    devices: [...base.devices.filter(({ path }) => !taken.has(path)), ...own.devices],
    resources: merged(base.resources, { ...checkedResources(input.spec.resources, violations), ...(rules.length > 0 ? { devices: rules } : {}) }),
    cgroupsPath: guestCgroup(input.containerId),
    sysctl: sysctls,
    maskedPaths: pathsOf(security.maskedPaths, open ? [] : base.maskedPaths, 'spec.security.masked_paths', violations),
    readonlyPaths: pathsOf(security.readonlyPaths, open ? [] : base.readonlyPaths, 'spec.security.readonly_paths', violations),
    ...(seccomp === undefined ? {} : { seccomp }),
  };
}

/** A privileged container may open all that its guest has. The nodes of a bundle are for it to open. */
function deviceRules({ spec, ruled = false }: ContainerSpecInput, { devices }: SpecBase, own: readonly OciDeviceRule[]): readonly OciDeviceRule[] {
  if (spec.security.privileged) return [];
  const listed = devices.filter(({ type }) => type !== 'p').map(({ type, major, minor }): OciDeviceRule => ({ allow: true, type: type === 'u' ? 'c' : type, major, minor, access: 'rwm' }));
  return ruled ? [...COMMON_RULES, ...listed, ...own] : own;
}

/** A root file system that is read-only leaves the image's volumes writable: they are mounted over themselves. */
function volumeMount(root: string, { destination, path }: ImageVolume): OciMount {
  return { destination, type: 'bind', source: `${root}${path}`, options: ['rbind', 'rprivate', 'rw'] };
}

/** Paths that a caller gives replace the default list. */
function pathsOf(wanted: readonly string[], fallback: readonly string[], field: string, violations: Violations): readonly string[] {
  wanted.forEach((path, index) => {
    if (!path.startsWith('/') || path.includes('\0')) violations.add(`${field}[${index}]`, `"${path}" is not an absolute path`);
  });
  return wanted.length > 0 ? wanted : fallback;
}

function merged(base: OciResources, own: OciResources): OciResources {
  const cpu = { ...base.cpu, ...own.cpu };
  return { ...base, ...own, ...(Object.keys(cpu).length > 0 ? { cpu } : {}) };
}

/**
 * Without paths: the agent joins its sandbox's ipc and uts namespaces and, when the request says so, its pid namespace. The network is
 * the guest's own, which is the sandbox's, so a container gets no network namespace.
 */
function namespaces(): readonly OciNamespace[] {
  return [{ type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'cgroup' }];
}
