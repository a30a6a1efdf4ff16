import type { HypervisorInfo } from '../../core/ports/hypervisor.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import type { Cgroups } from '../../core/ports/cgroups.ts';
import type { Profile } from '../../core/model/profile.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import { fail, ok, warn } from './doctor.ts';
import type { Finding, NamedCheck } from './doctor.ts';
import type { GuestView } from './facade.ts';
import { cgroupKind, hostMemory } from './host-probe.ts';
import type { HostProbe } from './host-probe.ts';

export interface DoctorSubject {
  readonly probe: HostProbe;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** The profile that a request without one gets. */
  readonly profile: Profile;
  readonly brokenProfiles: ReadonlyMap<string, readonly string[]>;
  readonly launcher: string;
  readonly imageTool: string;
  readonly rootDirectory: string;
  /** `problem`: why sandboxes have no control groups; else empty. */
  readonly cgroups: Pick<Cgroups, 'problem'>;
  /** Of the sandboxes: those that can't be read (with the problem), and the names of those that are newer than what is on disk. */
  readonly records: () => { readonly unreadable: ReadonlyMap<string, string>; readonly unsaved: readonly string[] };
  readonly runDirectory: string;
  readonly guests: () => Promise<readonly GuestView[]>;
  readonly images: () => Promise<readonly ImageConfig[]>;
  readonly hypervisor: (path: string, options: WaitOptions) => Promise<HypervisorInfo>;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LEAST_NODE = [20, 19] as const;
/** Below the run directory: `/sandboxes/` and the longest socket path of a sandbox. */
const MAX_RUN_BYTES = 60;
/** A clock before the first release of this program is wrong, and certificates and events with it. */
const FIRST_RELEASE_MS = Date.UTC(2025, 0, 1);
/** linux/capability.h */
const CAP_BITS = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_SYS_RESOURCE: 24, CAP_MKNOD: 27 } as const;

/** Every check of `viv doctor`, most basic first. */
export function doctorChecks(subject: DoctorSubject): readonly NamedCheck[] {
  const check = (name: string, run: (subject: DoctorSubject, options: WaitOptions) => Promise<Finding>): NamedCheck => ({ name, run: (options) => run(subject, options) });
  return [
    check('node', checkNode),
    check('root', checkRoot),
    check('capabilities', checkCapabilities),
    check('clock', checkClock),
    check('memory', checkMemory),
    check('vmm', checkVmm),
    check('kvm-device', checkKvmDevice),
    check('accelerator', checkAccelerator),
    check('virtiofsd', checkVirtiofsd),
    check('launcher', checkLauncher),
    check('guest', checkGuest),
    check('image', checkImage),
    check('image-tool', checkImageTool),
    check('profiles', checkProfiles),
    check('state-directory', checkStateDirectory),
    check('records', checkRecords),
    check('run-directory', checkRunDirectory),
    check('overlay', checkOverlay),
    check('cgroups', checkCgroups),
    check('open-files', checkOpenFiles),
    check('vhost-vsock', checkVsock),
  ];
}

async function checkNode({ probe }: DoctorSubject): Promise<Finding> {
  const [major = 0, minor = 0] = probe.nodeVersion.replace(/^v/, '').split('.').map(Number);
  const enough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  return enough ? ok(probe.nodeVersion) : fail(probe.nodeVersion, `install Node ${LEAST_NODE.join('.')} or later`);
}

async function checkRoot({ probe }: DoctorSubject): Promise<Finding> {
  return probe.uid === 0 ? ok('runs as root') : fail(`runs as uid ${probe.uid}`, 'run vivd as root: mounts and namespaces need it');
}

async function checkCapabilities({ probe }: DoctorSubject): Promise<Finding> {
  const mask = /^CapEff:\s+([0-9a-f]+)$/m.exec((await probe.readText('/proc/self/status')) ?? '')?.[1];
  if (mask === undefined) return warn('could not be read from /proc/self/status', 'mount /proc');
  const missing = Object.entries(CAP_BITS).filter(([, bit]) => ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 0n).map(([name]) => name);
  if (missing.length === 0) return ok(`has ${Object.keys(CAP_BITS).join(', ')}`);
  if (missing.includes('CAP_SYS_ADMIN')) return fail(`lacks ${missing.join(', ')}`, 'run vivd with CAP_SYS_ADMIN: root file systems are mounted');
  return warn(`lacks ${missing.join(', ')}`, 'limits can not be raised and some devices not be made; give vivd these capabilities if that matters');
}

async function checkClock({ clock }: DoctorSubject): Promise<Finding> {
  const now = new Date(clock.wallMs()).toISOString();
  return clock.wallMs() >= FIRST_RELEASE_MS ? ok(now) : fail(now, "set the host's clock: guests take their time from it");
}

async function checkMemory({ probe, profile }: DoctorSubject): Promise<Finding> {
  const { totalBytes, availableBytes } = await hostMemory(probe);
  const found = `${mib(availableBytes)} of ${mib(totalBytes)} available`;
  if (availableBytes < profile.memoryBytes) return fail(found, `free memory: a sandbox of profile ${profile.name} takes ${mib(profile.memoryBytes)}`);
  return availableBytes < 4 * profile.memoryBytes ? warn(found, 'few sandboxes fit; free memory or choose a smaller profile') : ok(found);
}

async function checkVmm({ profile, hypervisor }: DoctorSubject, options: WaitOptions): Promise<Finding> {
  const info = await hypervisor(profile.hypervisorPath, options);
  const found = `${info.name} ${info.version} at ${info.path}`.replace('  ', ' ');
  return info.usable ? ok(found) : fail(`${profile.hypervisorPath}: ${info.reason}`, 'apt-get install qemu-system-x86, or set hypervisor_path in the profile');
}

async function checkKvmDevice({ probe }: DoctorSubject): Promise<Finding> {
  if (!(await probe.exists('/dev/kvm'))) return warn('there is no /dev/kvm', 'load kvm_intel or kvm_amd, or turn on (nested) virtualisation; VMs are emulated until then');
  return (await probe.readWritable('/dev/kvm')) ? ok('/dev/kvm can be opened') : warn('/dev/kvm can not be opened', 'give vivd access to /dev/kvm');
}

async function checkAccelerator({ profile, hypervisor }: DoctorSubject, options: WaitOptions): Promise<Finding> {
  const { accelerators } = await hypervisor(profile.hypervisorPath, options);
  const kvm = accelerators.find(({ name }) => name === 'kvm');
  const usable = accelerators.filter((accelerator) => accelerator.usable).map(({ name }) => name);
  if (usable.length === 0) return fail('none is usable', 'see the checks vmm and kvm-device');
  if (kvm?.usable === true) return ok('kvm runs a guest');
  const why = kvm === undefined || kvm.reason === '' ? 'this VMM has no kvm' : `kvm does not run a guest: ${kvm.reason}`;
  return warn(`only ${usable.join(', ')}; ${why}`, 'VMs work, emulated and many times slower; use a host with hardware virtualisation');
}

async function checkVirtiofsd({ probe, profile }: DoctorSubject): Promise<Finding> {
  if (profile.sharedFs === 'none') return ok(`profile ${profile.name} has no shared file system`);
  return (await probe.executable(profile.virtiofsdPath)) ? ok(profile.virtiofsdPath) : fail(`no program at ${profile.virtiofsdPath}`, 'apt-get install qemu-system-common (or virtiofsd), or set virtiofsd_path in the profile');
}

async function checkLauncher({ probe, launcher }: DoctorSubject): Promise<Finding> {
  return (await probe.executable(launcher)) ? ok(launcher) : fail(`no program at ${launcher}`, 'build it with "cargo build --release -p viv-launcher", or set launcher');
}

async function checkImageTool({ probe, imageTool }: DoctorSubject): Promise<Finding> {
  return (await probe.executable(imageTool)) ? ok(imageTool) : warn(`no program at ${imageTool}`, 'build it with "cargo build --release -p viv-image", or set image_tool; images that are here can be run without');
}

async function checkGuest({ profile, guests }: DoctorSubject): Promise<Finding> {
  if (profile.guest === '') return ok(`profile ${profile.name} names its kernel itself: ${profile.kernel}`);
  const found = (await guests()).find(({ name }) => name === profile.guest);
  if (found === undefined) return fail(`guest ${profile.guest} is not built`, `viv guest build ${profile.guest}`);
  return ok(`${found.name}: kernel ${found.kernelVersion}, initramfs ${mib(found.initramfsBytes)}`);
}

async function checkImage({ images }: DoctorSubject): Promise<Finding> {
  const names = (await images()).map(({ name }) => name);
  return names.length > 0 ? ok(names.join(', ')) : warn('there is no image', 'pull one (viv pull REFERENCE), run "make build" for busybox, or use --rootfs or --bundle');
}

async function checkProfiles({ brokenProfiles }: DoctorSubject): Promise<Finding> {
  const problems = [...brokenProfiles.values()].flat();
  return problems.length === 0 ? ok('every profile can be used') : warn(problems.join('; '), 'correct these files and restart the daemon');
}

async function checkStateDirectory({ probe, rootDirectory }: DoctorSubject): Promise<Finding> {
  const problem = await probe.tryWriting(rootDirectory);
  if (problem !== undefined) return fail(`${rootDirectory}: ${problem}`, 'make it writable, or set root');
  const free = await probe.freeBytes(rootDirectory);
  const found = `${rootDirectory}: ${free === undefined ? 'free space not known' : `${mib(free)} free`}`;
  if (free !== undefined && free < 64 * MIB) return fail(found, 'free space on its file system');
  return free !== undefined && free < GIB ? warn(found, 'what containers write is kept there; free space on its file system') : ok(found);
}

async function checkRecords({ records }: DoctorSubject): Promise<Finding> {
  const { unreadable, unsaved } = records();
  if (unsaved.length > 0) return fail(`not on the disk as they are: ${unsaved.join(', ')}`, 'see the check state-directory; they run on and are saved as soon as the disk takes them');
  if (unreadable.size === 0) return ok('all were read, and are on the disk as they are');
  const problems = [...unreadable].map(([id, problem]) => `${id}: ${problem}`).join('; ');
  return warn(problems, 'their VMs and files are left alone; see them with "viv doctor audit", bring back the version that wrote them, or remove the directory of the sandbox');
}

async function checkRunDirectory({ probe, runDirectory }: DoctorSubject): Promise<Finding> {
  const length = Buffer.byteLength(runDirectory);
  if (length > MAX_RUN_BYTES) return fail(`${runDirectory} has ${length} bytes, at most ${MAX_RUN_BYTES} are possible`, 'set run to a shorter path: socket names have 107 bytes');
  const problem = await probe.tryWriting(runDirectory);
  return problem === undefined ? ok(runDirectory) : fail(`${runDirectory}: ${problem}`, 'make it writable, or set run');
}

async function checkOverlay({ probe }: DoctorSubject): Promise<Finding> {
  const filesystems = (await probe.readText('/proc/filesystems')) ?? '';
  return /\boverlay$/m.test(filesystems) ? ok('the kernel has overlayfs') : fail('the kernel has no overlayfs loaded', 'modprobe overlay');
}

async function checkCgroups({ probe, cgroups }: DoctorSubject): Promise<Finding> {
  const kind = await cgroupKind(probe);
  if (kind === 'none') return warn('none is mounted', 'mount cgroup2 on /sys/fs/cgroup; until then a VMM that the host kills for want of memory looks crashed');
  return cgroups.problem === '' ? ok(`${kind}: each sandbox has groups of its own`) : warn(cgroups.problem, 'mount them writable for vivd (cgroup_root); until then a VMM that the host kills for want of memory looks crashed');
}

async function checkOpenFiles({ probe }: DoctorSubject): Promise<Finding> {
  const limit = /^Max open files\s+(\S+)/m.exec((await probe.readText('/proc/self/limits')) ?? '')?.[1] ?? 'unknown';
  const enough = limit === 'unlimited' || Number(limit) >= 4096;
  return enough ? ok(limit) : warn(limit, 'a sandbox takes some ten descriptors; raise the limit to 65536 (LimitNOFILE=)');
}

async function checkVsock({ probe }: DoctorSubject): Promise<Finding> {
  return (await probe.exists('/dev/vhost-vsock')) ? ok('/dev/vhost-vsock is there') : warn('there is no /dev/vhost-vsock', 'only guests that talk over vsock need it: modprobe vhost_vsock');
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
