import type { ExitStatus } from '../../core/model/outcome.ts';
import type { ContainerDevice, ContainerSpec, MountSpec, RootfsSource } from '../../core/model/sandbox-spec.ts';
import type { LogEvent } from '../../core/ports/logs.ts';
import { shortId } from '../../core/model/ids.ts';
import { MountPropagation } from '../../gen/vivarium/v1/container.ts';
import type { Container, ContainerDevice as DeviceMessage, ContainerSpec as ContainerSpecMessage, ExitStatus as ExitStatusMessage, GetContainerLogsResponse, GetContainerStatsResponse, Mount } from '../../gen/vivarium/v1/container.ts';
import type { ContainerOperations, ContainerView } from '../services/facade.ts';
import { bytes, durationFromNs, modeToWire, phasesToWire, timestamp } from './convert-common.ts';
import { blockToWire, vfioToWire, vhostUserToWire } from './convert-device.ts';
import { causeToWire, CONTAINER_STATES, OUTPUT_STREAMS, ROOTFS_MODES } from './enums.ts';

export function containerToWire(view: ContainerView): Container {
  const { container, sandbox } = view;
  return {
    id: container.id,
    shortId: shortId(container.id),
    sandboxId: sandbox.id,
    spec: { ...containerSpecToWire(container.spec), name: container.name },
    state: CONTAINER_STATES[container.state],
    createdAt: timestamp(container.createdAtMs),
    startedAt: timestamp(container.startedAtMs),
    finishedAt: timestamp(container.finishedAtMs),
    exit: container.exit === undefined ? undefined : exitToWire(container.exit),
    mode: modeToWire(sandbox.mode === undefined ? undefined : { ...sandbox.mode, rootfs: container.rootfs.kind }),
    rootfsReason: container.rootfs.reason,
    phases: phasesToWire(container.phases),
    command: [...container.command],
    logPath: view.logPath,
    image: container.image,
    guestPid: container.guestPid,
  };
}

/** What was asked for, with signals, capabilities and limits in their one form. */
export function containerSpecToWire(spec: ContainerSpec): ContainerSpecMessage {
  return {
    name: spec.name,
    metadata: { ...spec.metadata },
    rootfs: rootfsToWire(spec.rootfs),
    rootfsMode: ROOTFS_MODES[spec.rootfsMode],
    entrypoint: [...spec.entrypoint],
    args: [...spec.args],
    env: [...spec.env],
    workingDir: spec.workingDir,
    user: spec.user,
    tty: spec.tty,
    stdin: spec.stdin,
    labels: { ...spec.labels },
    annotations: { ...spec.annotations },
    resources: {
      cpus: spec.resources.cpus,
      cpuShares: BigInt(spec.resources.cpuShares),
      cpusetCpus: spec.resources.cpusetCpus,
      memoryBytes: bytes(spec.resources.memoryBytes),
      pidsLimit: BigInt(spec.resources.pidsLimit),
    },
    security: securityToWire(spec.security),
    stopSignal: spec.stopSignal,
    shmSizeBytes: bytes(spec.shmSizeBytes),
    ttySize: spec.ttySize === undefined ? undefined : { ...spec.ttySize },
    autoRemove: spec.autoRemove,
    mounts: spec.mounts.map(mountToWire),
    devices: spec.devices.map(deviceToWire),
  };
}

export function exitToWire(exit: ExitStatus): ExitStatusMessage {
  return { code: exit.code, signal: exit.signal, oomKilled: exit.oomKilled, at: timestamp(exit.atMs), cause: causeToWire(exit.cause), detail: exit.detail };
}

export function containerStatsToWire(stats: Awaited<ReturnType<ContainerOperations['stats']>>): GetContainerStatsResponse {
  const { usage } = stats;
  return {
    containerId: stats.containerId,
    at: timestamp(stats.atMs),
    cpu: {
      total: durationFromNs(usage.cpuTotalNs),
      user: durationFromNs(usage.cpuUserNs),
      system: durationFromNs(usage.cpuSystemNs),
      throttledPeriods: usage.throttledPeriods,
      throttled: durationFromNs(usage.throttledNs),
    },
    memory: { usageBytes: usage.memoryBytes, limitBytes: usage.memoryLimitBytes, cacheBytes: usage.cacheBytes, swapBytes: usage.swapBytes },
    pids: usage.pids,
  };
}

export function logEventToWire(event: LogEvent): GetContainerLogsResponse {
  if (event.kind === 'lost') {
    return { message: { $case: 'lost', value: { stream: OUTPUT_STREAMS[event.stream], from: event.from, to: event.to } } };
  }
  const entry = { at: timestamp(event.atMs), stream: OUTPUT_STREAMS[event.stream], offset: event.offset, data: asBuffer(event.data) };
  return { message: { $case: 'entry', value: entry } };
}

/** The same memory, as the generated code wants to see it. */
export function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function rootfsToWire(rootfs: RootfsSource): ContainerSpecMessage['rootfs'] {
  switch (rootfs.kind) {
    case 'image':
      return { $case: 'image', value: rootfs.name };
    case 'path':
      return { $case: 'rootfsPath', value: rootfs.path };
    case 'bundle':
      return { $case: 'bundlePath', value: rootfs.path };
  }
}

function mountToWire(mount: MountSpec): Mount {
  const { destination, readOnly } = mount;
  switch (mount.kind) {
    case 'bind': {
      const propagation = mount.propagation === 'slave' ? MountPropagation.MOUNT_PROPAGATION_SLAVE : MountPropagation.MOUNT_PROPAGATION_PRIVATE;
      return { destination, readOnly, kind: { $case: 'bind', value: { source: mount.source, nonRecursive: !mount.recursive, propagation } } };
    }
    case 'volume': {
      const { name, subPath, noCopy, anonymous } = mount;
      return { destination, readOnly, kind: { $case: 'volume', value: { name, subPath, noCopy, anonymous } } };
    }
    case 'tmpfs':
      return { destination, readOnly, kind: { $case: 'tmpfs', value: { sizeBytes: bytes(mount.sizeBytes), mode: mount.mode } } };
  }
}

function deviceToWire({ containerPath, permissions, what }: ContainerDevice): DeviceMessage {
  const common = { containerPath, permissions };
  switch (what.kind) {
    case 'node':
      return { ...common, kind: { $case: 'node', value: { path: what.path } } };
    case 'block':
      return { ...common, kind: { $case: 'block', value: blockToWire(what, what.serial) } };
    case 'vfio':
      return { ...common, kind: { $case: 'vfio', value: vfioToWire(what) } };
    case 'vhost-user-blk':
      return { ...common, kind: { $case: 'vhostUserBlk', value: vhostUserToWire(what) } };
  }
}

function securityToWire(security: ContainerSpec['security']): ContainerSpecMessage['security'] {
  return {
    privileged: security.privileged,
    capAdd: [...security.capAdd],
    capDrop: [...security.capDrop],
    readOnlyRootfs: security.readOnlyRootfs,
    noNewPrivileges: security.noNewPrivileges,
    sysctls: { ...security.sysctls },
    rlimits: security.rlimits.map((limit) => ({ ...limit })),
    maskedPaths: [...security.maskedPaths],
    readonlyPaths: [...security.readonlyPaths],
    unmasked: security.unmasked,
    seccompProfileJson: security.seccompProfileJson,
  };
}
