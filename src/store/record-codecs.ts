import type { ProcessIdentity, Resource } from '../core/model/ledger.ts';
import type { Cause, Condition, ExitStatus, Mode, Phase } from '../core/model/outcome.ts';
import type { Profile, ProfileKey } from '../core/model/profile.ts';
import type { GuestInfo } from '../core/ports/agent.ts';
import type { VmRef, VmSpec } from '../core/ports/hypervisor.ts';
import { dictionary, flag, list, maybe, number, object, oneOf, orElse, text } from './codec.ts';
import type { Codec } from './codec.ts';

export const cause: Codec<Cause> = oneOf<Cause>({
  OPERATOR_STOP: true, CONTAINER_EXIT: true, GUEST_SHUTDOWN: true, GUEST_REBOOT: true, GUEST_PANIC: true, GUEST_OOM: true, HOST_OOM_KILL: true,
  VMM_CRASH: true, VMM_EXIT: true, VMM_HUNG: true, AGENT_LOST: true, VIRTIOFSD_LOST: true, BOOT_TIMEOUT: true, RESOURCE_FAILURE: true,
  IDENTITY_GATE_FAILED: true, TTL: true, IDLE: true, HOST_REBOOT: true, REAPED: true, UNKNOWN: true,
});

export const phase: Codec<Phase> = object<Phase>({ name: text, offsetMs: number, durationMs: number });

export const condition: Codec<Condition> = object<Condition>({ name: text, message: text, sinceMs: number });

export const exitStatus: Codec<ExitStatus> = object<ExitStatus>({ code: number, signal: number, oomKilled: flag, atMs: number, cause, detail: text });

const accelerator = { kvm: true, tcg: true } as const;
const agentKind = oneOf({ 'viv-agent': true, kata: true, none: true } as const);
const machine = oneOf({ q35: true, microvm: true } as const);

export const mode: Codec<Mode> = object<Mode>({
  hypervisor: text,
  hypervisorVersion: text,
  accelerator: oneOf(accelerator),
  acceleratorReason: text,
  machine: text,
  transport: oneOf({ 'virtio-serial': true, 'hybrid-vsock': true, vsock: true, none: true } as const),
  agent: agentKind,
  agentVersion: text,
  rootfs: oneOf({ virtiofs: true, block: true, none: true, '': true } as const),
  guest: text,
  profile: text,
});

const profileKey: Codec<ProfileKey> = oneOf<ProfileKey>({
  hypervisor: true, hypervisor_path: true, accelerator: true, machine: true, cpu_model: true, cpus: true, max_cpus: true, memory: true,
  max_memory: true, memory_overhead: true, guest: true, kernel: true, initrd: true, image: true, kernel_params: true, hugepages: true, pcie_ports: true,
  shared_fs: true, block_rootfs: true, writable_size: true, virtiofsd_path: true, virtiofs_cache: true, agent: true, guest_hook_path: true, boot_timeout: true, create_timeout: true, stop_timeout: true,
  vmm_hung_timeout: true, agent_lost_timeout: true, allowed_overrides: true,
});

export const profile: Codec<Profile> = object<Profile>({
  name: text,
  hypervisor: oneOf({ qemu: true } as const),
  hypervisorPath: text,
  accelerator: oneOf({ auto: true, ...accelerator } as const),
  machine,
  cpuModel: text,
  cpus: number,
  maxCpus: number,
  memoryBytes: number,
  maxMemoryBytes: number,
  memoryOverheadBytes: number,
  guest: text,
  kernel: text,
  initrd: text,
  image: text,
  kernelParams: text,
  hugepages: flag,
  pciePorts: orElse(number, 0),
  sharedFs: oneOf({ virtiofs: true, none: true } as const),
  blockRootfs: orElse(flag, false),
  writableSizeBytes: orElse(number, 10 * 1024 ** 3),
  virtiofsdPath: text,
  virtiofsCache: oneOf({ auto: true, always: true, none: true } as const),
  agent: agentKind,
  guestHookPath: text,
  bootTimeoutMs: number,
  createTimeoutMs: number,
  stopTimeoutMs: number,
  vmmHungTimeoutMs: orElse(number, 0),
  agentLostTimeoutMs: orElse(number, 0),
  allowedOverrides: list(profileKey),
});

const processIdentity: Codec<ProcessIdentity> = object<ProcessIdentity>({ pid: number, startTime: text, bootId: text });

export const vmRef: Codec<VmRef> = object<VmRef>({ driver: oneOf({ qemu: true } as const), runDir: text, process: processIdentity, argv: list(text) });

export const vmSpec: Codec<VmSpec> = object<VmSpec>({
  name: text,
  uuid: text,
  runDir: text,
  vmmPath: text,
  accelerator: oneOf({ auto: true, ...accelerator } as const),
  machine,
  cpuModel: text,
  cpus: number,
  maxCpus: number,
  memoryBytes: number,
  hugepages: flag,
  pciePorts: orElse(number, 0),
  kernel: text,
  initrd: text,
  image: text,
  kernelParams: text,
  sharedFs: maybe(object<NonNullable<VmSpec['sharedFs']>>({ socketPath: text, tag: text })),
  diskController: orElse(flag, false),
  agentPort: flag,
  bootTimeoutMs: number,
});

export const guestInfo: Codec<GuestInfo> = object<GuestInfo>({ agentVersion: text, kernelRelease: text, bootId: text, memoryBytes: number, cpus: number });

export const resource: Codec<Resource> = object<Resource>({
  kind: oneOf({ directory: true, socket: true, mount: true, process: true, launcher: true, trash: true, image: true, volume: true, cgroup: true, netns: true, link: true } as const),
  name: text,
  attributes: dictionary(text),
});
