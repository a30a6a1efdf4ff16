import type { VfioReport } from '../../core/model/vfio-spec.ts';
import type { HypervisorInfo } from '../../core/ports/hypervisor.ts';
import type { BuildGuestResponse, Guest } from '../../gen/vivarium/v1/guest.ts';
import type { DoctorCheck as DoctorCheckMessage, ExplainVfioResponse, GetCapabilitiesResponse, HypervisorInfo as HypervisorInfoMessage, Profile } from '../../gen/vivarium/v1/host.ts';
import type { DoctorCheck, GuestBuildEvent, GuestView, HostCapabilities, ProfileView } from '../services/facade.ts';
import { bytes, timestamp } from './convert-common.ts';
import { CHECK_STATUSES } from './enums.ts';

export function capabilitiesToWire(host: HostCapabilities): GetCapabilitiesResponse {
  return {
    hypervisors: host.hypervisors.map(hypervisorToWire),
    agents: [...host.agents],
    rootfsKinds: [...host.rootfsKinds],
    cgroups: host.cgroups,
    cpus: host.cpus,
    memoryBytes: bytes(host.memoryBytes),
    memoryAvailableBytes: bytes(host.memoryAvailableBytes),
    memoryAdmissibleBytes: bytes(host.memoryAdmissibleBytes),
  };
}

function hypervisorToWire(info: HypervisorInfo): HypervisorInfoMessage {
  return {
    name: info.name,
    version: info.version,
    path: info.path,
    usable: info.usable,
    reason: info.reason,
    accelerators: info.accelerators.map((accelerator) => ({ ...accelerator })),
    capabilities: [...info.capabilities],
    machines: [...info.machines],
  };
}

export function checkToWire(check: DoctorCheck): DoctorCheckMessage {
  return { name: check.name, status: CHECK_STATUSES[check.status], found: check.found, remedy: check.remedy };
}

export function vfioToWire({ checks, groups }: VfioReport): ExplainVfioResponse {
  return {
    checks: checks.map(checkToWire),
    groups: groups.map(({ functions, ...group }) => ({ ...group, functions: functions.map((member) => ({ ...member, barBytes: bytes(member.barBytes) })) })),
    usable: checks.every(({ status }) => status !== 'fail'),
  };
}

export function profileToWire(profile: ProfileView): Profile {
  return { name: profile.name, path: profile.path, content: profile.toml, allowedOverrides: [...profile.allowedOverrides] };
}

export function guestToWire(guest: GuestView): Guest {
  return {
    name: guest.name,
    directory: guest.directory,
    digest: guest.digest,
    kernelVersion: guest.kernelVersion,
    agentVersion: guest.agentVersion,
    kernelBytes: bytes(guest.kernelBytes),
    initramfsBytes: bytes(guest.initramfsBytes),
    builtAt: timestamp(guest.builtAtMs),
  };
}

export function buildEventToWire(event: GuestBuildEvent): BuildGuestResponse {
  if (event.kind === 'progress') {
    return { message: { $case: 'progress', value: { step: event.step, detail: event.detail, done: bytes(event.done), total: bytes(event.total) } } };
  }
  return { message: { $case: 'result', value: { guest: guestToWire(event.guest), upToDate: event.upToDate } } };
}
