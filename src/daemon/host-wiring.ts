import type { ImageStore } from '../core/ports/storage.ts';
import type { ProcessRunner } from '../core/ports/host.ts';
import { reportVfio } from '../devices/vfio/host-report.ts';
import { NodeHostProbe } from './node-host-probe.ts';
import { startLineProcess } from './node-line-process.ts';
import type { ProfileSet } from './profile-set.ts';
import type { Audit } from './services/audit.ts';
import { doctorChecks } from './services/doctor-checks.ts';
import { Doctor } from './services/doctor.ts';
import type { Deps } from './services/deps.ts';
import type { GuestOperations, HostOperations } from './services/facade.ts';
import { GuestBuilds } from './services/guest-operations.ts';
import { HostInformation } from './services/host-operations.ts';
import type { Registry } from './services/registry.ts';
import type { VfioWiring } from './vfio-wiring.ts';
import { BUILD } from './version.ts';
import type { WiringParts } from './wiring.ts';

export interface HostWiringParts extends WiringParts {
  readonly deps: Deps;
  readonly profiles: ProfileSet;
  readonly images: ImageStore;
  readonly runner: ProcessRunner;
  readonly audit: Audit;
  readonly registry: Registry;
  readonly vfio: VfioWiring;
}

/** What the daemon tells of its host, and the guest builder. */
export function wireHost(parts: HostWiringParts): { readonly hostOperations: HostOperations; readonly guestOperations: GuestOperations } {
  const { config, install, deps, profiles, images } = parts;
  const guests = new GuestBuilds({ start: startLineProcess, runner: parts.runner, node: process.execPath, builder: config.guestBuilder, guestDir: config.guestDir, cwd: install.root });
  const probe = new NodeHostProbe();
  const profile = profiles.resolve('default', {});
  const doctor = new Doctor(
    doctorChecks({
      probe,
      clock: deps.clock,
      profile,
      brokenProfiles: profiles.broken,
      launcher: config.launcher,
      imageTool: config.imageTool,
      rootDirectory: config.root,
      runDirectory: config.run,
      cgroups: deps.cgroups,
      records: () => ({ unreadable: parts.registry.unreadable, unsaved: parts.registry.sandboxes.filter(({ actor }) => actor.unsaved).map(({ record }) => record.name) }),
      guests: () => guests.list(),
      images: () => images.list(),
      hypervisor: (path, options) => deps.hypervisor.probe(path, options),
    }),
    deps.clock,
  );
  const hostOperations = new HostInformation({
    version: { ...BUILD, nodeVersion: process.version, instanceId: parts.instance, startedAtMs: parts.startedAtMs, pid: process.pid },
    doctor,
    audit: parts.audit,
    probe,
    vfio: () => reportVfio(parts.vfio.files, parts.vfio.disks, parts.vfio.marks),
    profiles: () => profiles.views(),
    images: () => images.list(),
    vmmPaths: () => [profile.hypervisorPath],
    hypervisor: (path, options) => deps.hypervisor.probe(path, options),
    admissibleBytes: () => deps.admission.freeBytes,
    agents: ['viv-agent', 'kata', 'none'],
    rootfsKinds: ['virtiofs', 'none'],
  });
  return { hostOperations, guestOperations: guests };
}
