import type { VmSpec } from '../../core/ports/hypervisor.ts';
import { kernelCommandLine } from './kernel-params.ts';
import { vmPaths } from './paths.ts';
import { rootPorts } from './root-ports.ts';
import { controllerArguments } from './scsi-disks.ts';

/** The name of the agent's port, as the guest finds it in /dev/virtio-ports. */
export const AGENT_PORT_NAME = 'org.vivarium.agent.0';

type VirtioKind = 'virtio-serial' | 'virtio-rng' | 'virtio-blk' | 'vhost-user-fs';

/**
 * The command line of one VM. Pure: the same spec gives the same list, which is recorded with the sandbox. `{fd:NAME}` is filled in by the
 * launcher. Needs QEMU 7.0 (the machine's `i8042` switch); run with 7.2.
 */
export function qemuArgv(spec: VmSpec, accelerator: 'kvm' | 'tcg'): readonly string[] {
  return [
    spec.vmmPath,
    ...['-name', `${option(spec.name)},debug-threads=on`, '-uuid', spec.uuid],
    // Nothing that is not named here: no devices by default, no file of defaults.
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    // seccomp: no obsolete system calls, no change of user, no new programs, no change of priorities.
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    // A panic or a power-off stops the VM and tells us, so that its state can be looked at; we end the process. A reset is an end as well.
    ...['-action', 'panic=pause,shutdown=pause,reboot=shutdown'],
    ...machine(spec, accelerator),
    ...processors(spec, accelerator),
    ...memory(spec),
    ...kernel(spec, accelerator),
    ...monitor(spec),
    ...console(),
    ...['-device', 'pvpanic-pci'],
    ...['-object', 'rng-builtin,id=rng0', '-device', virtio('virtio-rng', 'rng=rng0')],
    ...agentPort(spec),
    ...image(spec),
    ...sharedFs(spec),
    ...(spec.diskController ? controllerArguments() : []),
    ...rootPorts(spec),
  ];
}

/**
 * What the machine would bring and nobody here uses is switched off: each saves the guest a probe at boot and the host an attack surface.
 * A microvm has its devices on PCI too, so that one guest fits both machines.
 */
function machine(spec: VmSpec, accelerator: 'kvm' | 'tcg'): string[] {
  const common = `accel=${accelerator},usb=off,dump-guest-core=off,mem-merge=off`;
  const backend = needsBackend(spec) ? ',memory-backend=ram0' : '';
  const lean = spec.machine === 'q35' ? 'vmport=off,smbus=off,sata=off,hpet=off,i8042=off' : 'acpi=on,pcie=on,rtc=on,auto-kernel-cmdline=off';
  return ['-machine', `${spec.machine},${common},${lean}${backend}`];
}

/**
 * TCG runs `rep movsb` a byte at a time. A kernel that sees erms or fsrm copies by it: reading a pipe then costs four times the instructions,
 * creating a container half as much again.
 */
const TCG_CPU = 'max,-erms,-fsrm';

function processors(spec: VmSpec, accelerator: 'kvm' | 'tcg'): string[] {
  const model = spec.cpuModel === '' ? (accelerator === 'kvm' ? 'host' : TCG_CPU) : spec.cpuModel;
  // A microvm has no slots for more.
  const maximum = spec.machine === 'q35' && spec.maxCpus > spec.cpus ? `,maxcpus=${spec.maxCpus}` : '';
  return ['-cpu', model, '-smp', `${spec.cpus}${maximum}`];
}

function memory(spec: VmSpec): string[] {
  const size = `${Math.ceil(spec.memoryBytes / 1024)}K`;
  if (!needsBackend(spec)) return ['-m', size];
  const share = spec.sharedFs === undefined ? 'off' : 'on';
  const pages = spec.hugepages ? ',hugetlb=on' : '';
  return ['-m', size, '-object', `memory-backend-memfd,id=ram0,size=${size},share=${share}${pages}`];
}

/** virtiofsd maps the guest's memory, and huge pages come from a memfd as well; else anonymous memory is the simplest. */
function needsBackend(spec: VmSpec): boolean {
  return spec.hugepages || spec.sharedFs !== undefined;
}

function kernel(spec: VmSpec, accelerator: 'kvm' | 'tcg'): string[] {
  const initrd = spec.initrd === '' ? [] : ['-initrd', spec.initrd];
  return ['-kernel', spec.kernel, ...initrd, '-append', kernelCommandLine(accelerator, spec.kernelParams)];
}

function monitor(spec: VmSpec): string[] {
  const { qmpSocket, descriptorSocket } = vmPaths(spec.runDir);
  return [['qmp0', qmpSocket] as const, ['qmp1', descriptorSocket] as const].flatMap(([id, path]) => ['-chardev', `socket,id=${id},path=${option(path)},server=on,wait=off`, '-mon', `chardev=${id},mode=control`]);
}

/** One end of a socket pair whose other end the launcher keeps. */
function console(): string[] {
  return ['-chardev', 'socket,id=console0,fd={fd:console}', '-serial', 'chardev:console0'];
}

function agentPort(spec: VmSpec): string[] {
  if (!spec.agentPort) return [];
  return [
    // Port 0 is reserved for a console, so two are the fewest; each spares the guest two queues.
    ...['-device', virtio('virtio-serial', 'id=serial0,max_ports=2')],
    ...['-chardev', `socket,id=agent0,path=${option(vmPaths(spec.runDir).agentSocket)},server=on,wait=off`],
    ...['-device', `virtserialport,bus=serial0.0,nr=1,chardev=agent0,name=${AGENT_PORT_NAME}`],
  ];
}

function image(spec: VmSpec): string[] {
  if (spec.image === '') return [];
  const node = { 'driver': 'raw', 'node-name': 'image0', 'read-only': true, 'file': { 'driver': 'file', 'filename': spec.image, 'read-only': true } };
  return ['-blockdev', JSON.stringify(node), '-device', virtio('virtio-blk', 'drive=image0')];
}

function sharedFs(spec: VmSpec): string[] {
  if (spec.sharedFs === undefined) return [];
  const { socketPath, tag } = spec.sharedFs;
  return ['-chardev', `socket,id=fs0,path=${option(socketPath)}`, '-device', virtio('vhost-user-fs', `chardev=fs0,tag=${option(tag)},queue-size=1024`)];
}

function virtio(kind: VirtioKind, properties: string): string {
  // Without this a device on the root complex offers the old interface as well, with its I/O ports; vhost-user-fs has only the new one.
  const modern = kind === 'vhost-user-fs' ? '' : ',disable-legacy=on';
  return `${kind}-pci,${properties}${modern}`;
}

/** A value inside one of QEMU's comma-separated options. */
function option(value: string): string {
  return value.replaceAll(',', ',,');
}
