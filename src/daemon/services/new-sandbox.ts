import { createPlan, type CreatePlan } from '../../core/machine/create-plan.ts';
import { vmSize } from '../../core/machine/sizing.ts';
import { shortId } from '../../core/model/ids.ts';
import type { SandboxRecord } from '../../core/model/record.ts';
import type { SandboxSpec } from '../../core/model/sandbox-spec.ts';
import type { VmSpec } from '../../core/ports/hypervisor.ts';
import type { Profile } from '../../core/model/profile.ts';
import type { Deps } from './deps.ts';

/** virtio-fs tag of the share, as the kata agent's protocol has it. */
const SHARE_TAG = 'kataShared';

/** Everything that can be found wrong before a thing is touched is found here: profile, overrides, guest. */
export async function newSandbox(deps: Deps, id: string, spec: SandboxSpec): Promise<SandboxRecord> {
  const profile = forWorkload(deps.profiles.resolve(spec.profile === '' ? 'default' : spec.profile, spec.overrides), spec.workload);
  const size = vmSize(profile, spec.workload);
  const vmSpec = await vmSpecOf(deps, id, profile, size);
  const plan = planFor(deps, id, profile);
  return {
    id,
    name: spec.name === '' ? shortId(id) : spec.name,
    spec,
    profile,
    state: 'creating',
    epoch: 1,
    bootId: deps.bootId,
    started: undefined,
    createdAtMs: deps.clock.wallMs(),
    readyAtMs: undefined,
    finishedAtMs: undefined,
    cause: undefined,
    causeDetail: '',
    consoleTail: '',
    mode: undefined,
    phases: [],
    conditions: [],
    vcpus: size.cpus,
    memoryBytes: size.memoryBytes,
    vmSpec,
    vm: undefined,
    guest: undefined,
    resources: plan.resources,
    containers: [],
    devices: [],
  };
}

/** Containers that start from images and use nothing else of the host need disks, and no share. */
function forWorkload(profile: Profile, { images }: SandboxSpec['workload']): Profile {
  return images && profile.agent !== 'none' ? Object.freeze({ ...profile, sharedFs: 'none', blockRootfs: true }) : profile;
}

/** What is done to bring a sandbox up, and everything that it may leave on this host. */
export function planFor(deps: Pick<Deps, 'places' | 'cgroups'>, id: string, profile: Profile, devices = 0): CreatePlan {
  return createPlan(profile, { runDir: deps.places.runDir(id), stateDir: deps.places.stateDir(id), cgroups: deps.cgroups.places(shortId(id)) }, devices);
}

async function vmSpecOf(deps: Deps, id: string, profile: Profile, size: ReturnType<typeof vmSize>): Promise<VmSpec> {
  const runDir = deps.places.runDir(id);
  const guest = profile.kernel === '' ? await deps.guests.resolve(profile.guest) : { kernel: profile.kernel, initrd: profile.initrd };
  return {
    name: deps.places.vmName(id),
    uuid: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
    runDir,
    vmmPath: profile.hypervisorPath,
    accelerator: profile.accelerator,
    machine: profile.machine,
    cpuModel: profile.cpuModel,
    cpus: size.cpus,
    maxCpus: size.maxCpus,
    memoryBytes: size.memoryBytes,
    hugepages: profile.hugepages,
    pciePorts: profile.machine === 'q35' ? profile.pciePorts : 0,
    kernel: guest.kernel,
    initrd: guest.initrd,
    image: profile.image,
    kernelParams: profile.kernelParams,
    sharedFs: profile.sharedFs === 'virtiofs' ? { socketPath: `${runDir}/fs.sock`, tag: SHARE_TAG } : undefined,
    diskController: profile.agent !== 'none' && profile.blockRootfs,
    agentPort: profile.agent !== 'none',
    bootTimeoutMs: profile.bootTimeoutMs,
  };
}
