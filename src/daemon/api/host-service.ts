import type {
  AuditRequest, AuditResponse, ExplainVfioResponse, GetCapabilitiesRequest, GetCapabilitiesResponse, GetVersionResponse, HostServiceImplementation, ListImagesResponse,
  ListProfilesResponse, RunDoctorRequest, RunDoctorResponse,
} from '../../gen/vivarium/v1/host.ts';
import type { HostOperations } from '../services/facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { timestamp } from './convert-common.ts';
import { auditToWire } from './convert-audit.ts';
import { capabilitiesToWire, checkToWire, profileToWire, vfioToWire } from './convert-host.ts';
import { imageToWire } from './convert-image.ts';
import { parseAudit } from './validate-audit.ts';

const API_VERSION = 'vivarium.v1';

/** vivarium.v1.HostService: call, convert. */
export class HostService implements HostServiceImplementation<RequestContext> {
  readonly #host: HostOperations;

  constructor(host: HostOperations) {
    this.#host = host;
  }

  async getVersion(): Promise<GetVersionResponse> {
    const { startedAtMs, ...version } = this.#host.version();
    return { ...version, apiVersion: API_VERSION, startedAt: timestamp(startedAtMs) };
  }

  async getCapabilities(_request: GetCapabilitiesRequest, { signal }: ApiContext): Promise<GetCapabilitiesResponse> {
    return capabilitiesToWire(await this.#host.capabilities({ signal }));
  }

  async runDoctor(_request: RunDoctorRequest, { signal }: ApiContext): Promise<RunDoctorResponse> {
    const checks = await this.#host.doctor({ signal });
    return { checks: checks.map(checkToWire), usable: checks.every((check) => check.status !== 'fail') };
  }

  async explainVfio(): Promise<ExplainVfioResponse> {
    return vfioToWire(await this.#host.vfio());
  }

  async audit(request: AuditRequest, { signal }: ApiContext): Promise<AuditResponse> {
    const { requestId, all, ...what } = parseAudit(request);
    return auditToWire(await this.#host.audit(what, { signal, requestId }), all);
  }

  async listProfiles(): Promise<ListProfilesResponse> {
    return { profiles: this.#host.profiles().map(profileToWire) };
  }

  async listImages(): Promise<ListImagesResponse> {
    return { images: (await this.#host.images()).map((image) => imageToWire({ image, usedBy: [] })) };
  }
}
