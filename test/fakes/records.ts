import type { DeviceRecord, BlockSpec, DeviceSpec } from '../../src/core/model/device-spec.ts';
import type { Profile } from '../../src/core/model/profile.ts';
import type { ContainerRecord, SandboxRecord } from '../../src/core/model/record.ts';
import type { ContainerSpec, SandboxSpec } from '../../src/core/model/sandbox-spec.ts';

const MIB = 1024 * 1024;

/** A profile as the built-in default one is. */
export function profile(change: Partial<Profile> = {}): Profile {
  return {
    name: 'default',
    hypervisor: 'qemu',
    hypervisorPath: '/usr/bin/qemu-system-x86_64',
    accelerator: 'auto',
    machine: 'q35',
    cpuModel: '',
    cpus: 1,
    maxCpus: 1,
    memoryBytes: 256 * MIB,
    maxMemoryBytes: 0,
    memoryOverheadBytes: 64 * MIB,
    guest: 'default',
    kernel: '',
    initrd: '',
    image: '',
    kernelParams: '',
    hugepages: false,
    pciePorts: 4,
    sharedFs: 'virtiofs',
    blockRootfs: false,
    writableSizeBytes: 10 * 1024 * MIB,
    virtiofsdPath: '/usr/lib/qemu/virtiofsd',
    virtiofsCache: 'auto',
    agent: 'viv-agent',
    guestHookPath: '',
    bootTimeoutMs: 30_000,
    createTimeoutMs: 60_000,
    stopTimeoutMs: 20_000,
    vmmHungTimeoutMs: 0,
    agentLostTimeoutMs: 0,
    allowedOverrides: [],
    ...change,
  };
}

export function sandboxSpec(change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    name: '',
    metadata: { name: '', uid: '', namespace: '', attempt: 0 },
    hostname: '',
    dns: { servers: [], searches: [], options: [] },
    labels: {},
    annotations: {},
    sharedPidNamespace: false,
    profile: '',
    overrides: {},
    workload: { cpus: 0, memoryBytes: 0, images: false },
    autoRemove: false,
    ...change,
  };
}

export function containerSpec(change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    name: '',
    metadata: { name: '', attempt: 0 },
    rootfs: { kind: 'image', name: 'busybox' },
    rootfsMode: 'auto',
    mounts: [],
    devices: [],
    entrypoint: [],
    args: ['true'],
    env: [],
    workingDir: '',
    user: '',
    tty: false,
    stdin: false,
    labels: {},
    annotations: {},
    resources: { cpus: 0, cpuShares: 0, cpusetCpus: '', memoryBytes: 0, pidsLimit: 0 },
    security: { privileged: false, capAdd: [], capDrop: [], readOnlyRootfs: false, noNewPrivileges: false, sysctls: {}, rlimits: [], maskedPaths: [], readonlyPaths: [], unmasked: false, seccompProfileJson: '' },
    stopSignal: 'SIGTERM',
    shmSizeBytes: 0,
    ttySize: undefined,
    autoRemove: false,
    ...change,
  };
}

export const SANDBOX_ID = '0190f4a8b7c27def8a12b3c4d5e6f708';
export const CONTAINER_ID = '0190f4a8b7c27def8a12000000000001';

export function sandboxRecord(change: Partial<SandboxRecord> = {}): SandboxRecord {
  return {
    id: SANDBOX_ID,
    name: 'sb',
    spec: sandboxSpec(),
    profile: profile(),
    state: 'ready',
    epoch: 1,
    bootId: 'boot',
    started: undefined,
    createdAtMs: 1000,
    readyAtMs: undefined,
    finishedAtMs: undefined,
    cause: undefined,
    causeDetail: '',
    consoleTail: '',
    mode: undefined,
    phases: [],
    conditions: [],
    vcpus: 1,
    memoryBytes: 256 * MIB,
    vmSpec: undefined,
    vm: undefined,
    guest: undefined,
    resources: [],
    containers: [],
    devices: [],
    ...change,
  };
}

export function containerRecord(change: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: CONTAINER_ID,
    name: 'ctr',
    spec: containerSpec(),
    state: 'created',
    createdAtMs: 1000,
    startedAtMs: undefined,
    finishedAtMs: undefined,
    exit: undefined,
    command: ['true'],
    image: 'busybox',
    guestPid: 0,
    resumeOnStart: false,
    phases: [],
    lower: '/images/busybox/rootfs',
    lowerLayers: [],
    imageId: '',
    rootfs: { kind: 'virtiofs', reason: 'auto: virtiofs', disks: undefined },
    logBase: { stdout: 0n, stderr: 0n },
    ...change,
  };
}

export function diskSpec(id = 'd0', change: Partial<BlockSpec> = {}): DeviceSpec & { readonly what: BlockSpec } {
  return { id, what: { kind: 'block', path: `/disks/${id}.img`, format: undefined, readOnly: false, bus: 'virtio-blk', aio: 'threads', cache: 'writeback', discard: false, serial: '', logicalBlockBytes: 0, physicalBlockBytes: 0, ...change } };
}

export function deviceRecord(change: Partial<DeviceRecord> = {}): DeviceRecord {
  const spec = diskSpec(change.id);
  return {
    id: spec.id,
    spec,
    state: 'attached',
    slot: 0,
    host: { kind: 'disk', path: spec.what.path, identity: 'file:1:2', format: 'raw', isDevice: false, sizeBytes: 1 << 20 },
    guest: undefined,
    attachedAtMs: undefined,
    detail: '',
    owner: '',
    ...change,
  };
}
