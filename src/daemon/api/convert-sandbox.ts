import type { SandboxRecord } from '../../core/model/record.ts';
import { shortId } from '../../core/model/ids.ts';
import type { SandboxSpec } from '../../core/model/sandbox-spec.ts';
import { NamespaceMode, SandboxState as SandboxStateValue } from '../../gen/vivarium/v1/sandbox.ts';
import type { GetSandboxStatsResponse, Sandbox, SandboxSpec as SandboxSpecMessage, WaitSandboxResponse } from '../../gen/vivarium/v1/sandbox.ts';
import type { SandboxOperations, SandboxStats } from '../services/facade.ts';
import { bytes, conditionToWire, duration, modeToWire, phasesToWire, timestamp } from './convert-common.ts';
import { deviceToWire } from './convert-device.ts';
import { causeToWire, SANDBOX_STATES } from './enums.ts';

export function sandboxToWire(record: SandboxRecord): Sandbox {
  return {
    id: record.id,
    shortId: shortId(record.id),
    spec: { ...sandboxSpecToWire(record.spec), name: record.name },
    state: SANDBOX_STATES[record.state],
    createdAt: timestamp(record.createdAtMs),
    readyAt: timestamp(record.readyAtMs),
    finishedAt: timestamp(record.finishedAtMs),
    cause: causeToWire(record.cause),
    causeDetail: record.causeDetail,
    mode: modeToWire(record.mode),
    phases: phasesToWire(record.phases),
    conditions: record.conditions.map(conditionToWire),
    containerIds: record.containers.map((container) => container.id),
    resources: record.resources.map((resource) => ({ kind: resource.kind, name: resource.name, attributes: { ...resource.attributes } })),
    guest: guestToWire(record.guest),
    vmmPid: record.vm?.process.pid ?? 0,
    vcpus: record.vcpus,
    memoryBytes: bytes(record.memoryBytes),
    vmmArgv: [...(record.vm?.argv ?? [])],
    consoleTail: record.consoleTail,
    epoch: BigInt(record.epoch),
    devices: record.devices.map((device) => deviceToWire(record.id, device)),
  };
}

/** What was asked for, as it was asked for. */
export function sandboxSpecToWire(spec: SandboxSpec): SandboxSpecMessage {
  return {
    name: spec.name,
    metadata: { ...spec.metadata },
    hostname: spec.hostname,
    dns: { servers: [...spec.dns.servers], searches: [...spec.dns.searches], options: [...spec.dns.options] },
    labels: { ...spec.labels },
    annotations: { ...spec.annotations },
    namespaceOptions: { pid: spec.sharedPidNamespace ? NamespaceMode.NAMESPACE_MODE_SANDBOX : NamespaceMode.NAMESPACE_MODE_CONTAINER },
    profile: spec.profile,
    overrides: { ...spec.overrides },
    workload: { cpus: spec.workload.cpus, memoryBytes: bytes(spec.workload.memoryBytes), images: spec.workload.images },
    autoRemove: spec.autoRemove,
  };
}

/** A deleted sandbox has no state any more; DELETING is the last one that it had. */
export function waitToWire(outcome: Awaited<ReturnType<SandboxOperations['wait']>>): WaitSandboxResponse {
  return {
    state: outcome.state === 'deleted' ? SandboxStateValue.SANDBOX_STATE_DELETING : SANDBOX_STATES[outcome.state],
    cause: causeToWire(outcome.cause),
    causeDetail: outcome.detail,
    finishedAt: timestamp(outcome.finishedAtMs),
  };
}

export function sandboxStatsToWire(stats: SandboxStats): GetSandboxStatsResponse {
  const { guest } = stats;
  return {
    sandboxId: stats.sandboxId,
    at: timestamp(stats.atMs),
    processes: stats.processes.map((usage) => ({
      role: usage.role, pid: usage.pid, cpu: duration(usage.cpuMs), rssBytes: bytes(usage.rssBytes), pssBytes: bytes(usage.pssBytes),
    })),
    guestMemory: guest === undefined ? undefined : { usageBytes: bytes(guest.memoryUsed), limitBytes: bytes(guest.memoryTotal), cacheBytes: 0n, swapBytes: 0n },
    guestCpu: guest === undefined ? undefined : { total: duration(guest.cpuMs), user: undefined, system: undefined, throttledPeriods: 0n, throttled: undefined },
    guestLoad1: guest?.load1 ?? 0,
  };
}

function guestToWire(guest: SandboxRecord['guest']): Sandbox['guest'] {
  if (guest === undefined) return undefined;
  return { kernelRelease: guest.kernelRelease, bootId: guest.bootId, memoryBytes: bytes(guest.memoryBytes), cpus: guest.cpus };
}
