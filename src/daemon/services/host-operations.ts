import type { VfioReport } from '../../core/model/vfio-spec.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { HypervisorInfo } from '../../core/ports/hypervisor.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import type { Audit, AuditReport, AuditRequest } from './audit.ts';
import type { DoctorCheck, HostCapabilities, HostOperations, MutateOptions, ProfileView } from './facade.ts';
import type { Doctor } from './doctor.ts';
import { cgroupKind, hostMemory } from './host-probe.ts';
import type { HostProbe } from './host-probe.ts';

export interface HostOperationsParts {
  readonly version: ReturnType<HostOperations['version']>;
  readonly doctor: Doctor;
  readonly audit: Pick<Audit, 'run'>;
  readonly vfio: () => Promise<VfioReport>;
  readonly probe: HostProbe;
  readonly profiles: () => readonly ProfileView[];
  readonly images: () => Promise<readonly ImageConfig[]>;
  /** Paths of the VMMs that profiles name, each once. */
  readonly vmmPaths: () => readonly string[];
  readonly hypervisor: (path: string, options: WaitOptions) => Promise<HypervisorInfo>;
  /** What admission may still give out, in bytes. */
  readonly admissibleBytes: () => number;
  readonly agents: readonly string[];
  readonly rootfsKinds: readonly string[];
}

/** What the daemon tells about itself and its host. */
export class HostInformation implements HostOperations {
  readonly #parts: HostOperationsParts;

  constructor(parts: HostOperationsParts) {
    this.#parts = parts;
  }

  version(): ReturnType<HostOperations['version']> {
    return this.#parts.version;
  }

  async capabilities(options: WaitOptions): Promise<HostCapabilities> {
    const { probe, vmmPaths, hypervisor, admissibleBytes, agents, rootfsKinds } = this.#parts;
    const [hypervisors, memory, cgroups] = await Promise.all([
      Promise.all(vmmPaths().map((path) => hypervisor(path, options))),
      hostMemory(probe),
      cgroupKind(probe),
    ]);
    return {
      hypervisors,
      agents,
      rootfsKinds,
      cgroups,
      cpus: probe.cpus,
      memoryBytes: memory.totalBytes,
      memoryAvailableBytes: memory.availableBytes,
      memoryAdmissibleBytes: admissibleBytes(),
    };
  }

  async doctor(options: WaitOptions): Promise<readonly DoctorCheck[]> {
    return await this.#parts.doctor.examine(options);
  }

  async vfio(): Promise<VfioReport> {
    return await this.#parts.vfio();
  }

  async audit(request: AuditRequest, options: MutateOptions): Promise<AuditReport> {
    return await this.#parts.audit.run(request, options);
  }

  profiles(): readonly ProfileView[] {
    return this.#parts.profiles();
  }

  async images(): Promise<readonly ImageConfig[]> {
    return await this.#parts.images();
  }
}
