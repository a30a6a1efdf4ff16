import type { ContainerEventKind } from './container-machine.ts';
import type { DeviceEventKind } from './device-machine.ts';
import type { SandboxEventKind } from './sandbox-machine.ts';

/** What a plan commits on its way: changes of the sandbox's, of a container's or of a device's machine; `intent` is the record that begins a life. */
export type PlanRecord = `sandbox:${SandboxEventKind}` | `container:${ContainerEventKind}` | `device:${DeviceEventKind}` | 'sandbox:intent' | 'container:intent' | 'device:intent';

interface PlanShape {
  /** In the order in which a run takes them; a run may leave some out. */
  readonly steps: readonly string[];
  /** Each is on disk before what follows from it is done. */
  readonly records: readonly PlanRecord[];
  /** What failure commits instead. */
  readonly failures: readonly PlanRecord[];
}

/**
 * Every plan of the daemon, as data. Runs name their steps by this table and in no other way (services/plan-run.ts), so each of them has
 * its points of failure, and the fault matrix is generated from it.
 */
export const PLANS = {
  create: {
    steps: ['directories', 'cgroup', 'share', 'vmm', 'agent', 'guest'],
    records: ['sandbox:intent', 'sandbox:create-succeeded'],
    failures: ['sandbox:create-failed', 'sandbox:create-stuck'],
  },
  boot: {
    steps: ['directories', 'cgroup', 'share', 'vmm', 'agent', 'guest', 'devices'],
    records: ['sandbox:boot-requested', 'device:replug-requested', 'sandbox:create-succeeded', 'sandbox:started'],
    failures: ['sandbox:boot-failed', 'sandbox:create-stuck'],
  },
  pause: { steps: ['calls', 'vmm'], records: ['sandbox:pause-requested', 'sandbox:paused'], failures: [] },
  resume: { steps: ['vmm', 'clock'], records: ['sandbox:resume-requested', 'sandbox:resumed-ready', 'sandbox:resumed-running'], failures: [] },
  stop: {
    steps: ['containers', 'guest', 'vmm', 'devices', 'share', 'cgroup', 'directories'],
    records: ['sandbox:stop-requested', 'sandbox:cleaned'],
    failures: ['sandbox:clean-stuck'],
  },
  /** After a VM that ended by itself. */
  clean: {
    steps: ['vmm', 'devices', 'share', 'cgroup', 'directories'],
    records: ['sandbox:vm-ended', 'sandbox:share-ended', 'sandbox:found-ended', 'sandbox:cleaned'],
    failures: ['sandbox:clean-stuck'],
  },
  delete: {
    steps: ['vmm', 'devices', 'share', 'cgroup', 'directories', 'trash'],
    records: ['sandbox:delete-requested', 'sandbox:force-delete-requested', 'sandbox:deleted'],
    failures: ['sandbox:delete-stuck'],
  },
  recover: {
    steps: ['vmm', 'share', 'status', 'agent', 'processes'],
    records: ['sandbox:found-ready', 'sandbox:found-running', 'sandbox:found-paused'],
    failures: [],
  },
  'container-create': { steps: ['devices', 'rootfs', 'disks', 'volumes', 'mounts', 'agent_create', 'hooks'], records: ['container:intent', 'container:created'], failures: ['container:create-failed'] },
  'container-start': { steps: ['agent_start', 'stdin'], records: ['container:start-requested', 'container:started'], failures: ['container:start-failed'] },
  'container-stop': { steps: ['stop'], records: ['container:stop-requested', 'container:exited'], failures: ['container:stop-failed'] },
  'container-kill': { steps: ['signal'], records: ['container:kill-requested'], failures: [] },
  'container-pause': { steps: ['freeze'], records: ['container:pause-requested', 'container:paused'], failures: [] },
  'container-resume': { steps: ['thaw'], records: ['container:resume-requested', 'container:resumed'], failures: [] },
  'container-delete': {
    steps: ['kill', 'guest', 'devices', 'disks', 'host'],
    records: ['container:delete-requested', 'container:force-delete-requested', 'container:deleted'],
    failures: [],
  },
  'device-attach': { steps: ['host', 'backend', 'plug', 'guest'], records: ['device:intent', 'device:attached'], failures: ['device:attach-failed', 'device:attach-stuck'] },
  'device-detach': {
    steps: ['let_go', 'unplug', 'guest', 'backend', 'host'],
    records: ['device:detach-requested', 'device:unplugged', 'device:released'],
    failures: ['device:unplug-refused', 'device:unplug-late', 'device:release-failed'],
  },
  exec: { steps: ['agent_exec'], records: [], failures: [] },
  /** Of an image and no sandbox: its record and its name are published by the last step. */
  'image-pull': { steps: ['fetch', 'record'], records: [], failures: [] },
  'image-import': { steps: ['unpack', 'record'], records: [], failures: [] },
} as const satisfies Readonly<Record<string, PlanShape>>;

export type PlanName = keyof typeof PLANS;
export type StepOf<P extends PlanName> = (typeof PLANS)[P]['steps'][number];
