import type { ContainerDevice, ContainerResources, ContainerSpec, MountSpec, NodeSource, RootfsSource, SandboxSpec, SecuritySpec, TtySize } from '../core/model/sandbox-spec.ts';
import { big, byKind, dictionary, flag, list, maybe, number, object, oneOf, orElse, text } from './codec.ts';
import type { Codec } from './codec.ts';
import { deviceKinds } from './device-codecs.ts';

export const sandboxSpec: Codec<SandboxSpec> = object<SandboxSpec>({
  name: text,
  metadata: object<SandboxSpec['metadata']>({ name: text, uid: text, namespace: text, attempt: number }),
  hostname: text,
  dns: object<SandboxSpec['dns']>({ servers: list(text), searches: list(text), options: list(text) }),
  labels: dictionary(text),
  annotations: dictionary(text),
  sharedPidNamespace: flag,
  profile: text,
  overrides: dictionary(text),
  workload: object<SandboxSpec['workload']>({ cpus: number, memoryBytes: number, images: orElse(flag, false) }),
  autoRemove: flag,
});

const rootfsSource: Codec<RootfsSource> = byKind<RootfsSource>({
  image: object({ kind: oneOf({ image: true } as const), name: text }),
  path: object({ kind: oneOf({ path: true } as const), path: text }),
  bundle: object({ kind: oneOf({ bundle: true } as const), path: text }),
});

const securitySpec: Codec<SecuritySpec> = object<SecuritySpec>({
  privileged: flag,
  capAdd: list(text),
  capDrop: list(text),
  readOnlyRootfs: flag,
  noNewPrivileges: flag,
  sysctls: dictionary(text),
  rlimits: list(object<SecuritySpec['rlimits'][number]>({ type: text, soft: big, hard: big })),
  maskedPaths: list(text),
  readonlyPaths: list(text),
  unmasked: flag,
  seccompProfileJson: text,
});

const containerResources: Codec<ContainerResources> = object<ContainerResources>({ cpus: number, cpuShares: number, cpusetCpus: text, memoryBytes: number, pidsLimit: number });

const mountSpec: Codec<MountSpec> = byKind<MountSpec>({
  bind: object({ kind: oneOf({ bind: true } as const), destination: text, readOnly: flag, source: text, recursive: flag, propagation: oneOf({ private: true, slave: true } as const) }),
  tmpfs: object({ kind: oneOf({ tmpfs: true } as const), destination: text, readOnly: flag, sizeBytes: number, mode: number }),
  volume: object({ kind: oneOf({ volume: true } as const), destination: text, readOnly: flag, name: text, subPath: text, noCopy: flag, anonymous: flag }),
});

const containerDevice: Codec<ContainerDevice> = object<ContainerDevice>({
  containerPath: text,
  permissions: text,
  what: byKind<ContainerDevice['what']>({ 'block': deviceKinds.block, 'vfio': deviceKinds.vfio, 'vhost-user-blk': deviceKinds['vhost-user-blk'], 'node': object<NodeSource>({ kind: oneOf({ node: true } as const), path: text }) }),
});

export const containerSpec: Codec<ContainerSpec> = object<ContainerSpec>({
  name: text,
  metadata: object<ContainerSpec['metadata']>({ name: text, attempt: number }),
  rootfs: rootfsSource,
  rootfsMode: orElse(oneOf({ auto: true, block: true, virtiofs: true, '9p': true, none: true } as const), 'auto'),
  entrypoint: list(text),
  args: list(text),
  env: list(text),
  workingDir: text,
  user: text,
  tty: flag,
  stdin: flag,
  labels: dictionary(text),
  annotations: dictionary(text),
  resources: containerResources,
  security: securitySpec,
  stopSignal: text,
  shmSizeBytes: number,
  ttySize: maybe(object<TtySize>({ rows: number, columns: number })),
  autoRemove: flag,
  mounts: orElse(list(mountSpec), []),
  devices: orElse(list(containerDevice), []),
});
