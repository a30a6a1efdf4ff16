import { dirname } from 'node:path';
import { chooseRootfs } from '../../core/machine/rootfs-choice.ts';
import type { ContainerRootfs } from '../../core/model/container-rootfs.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ContainerSpec } from '../../core/model/sandbox-spec.ts';
import type { GuestStorage } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { GuestDiskRoot } from '../../core/ports/oci.ts';
import type { ResolvedSource, RootfsPlace } from '../../core/ports/storage.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { PlanRun } from './plan-run.ts';

/** In the guest. What an official agent clears when its sandbox begins is below it. */
const GUEST_DISKS = '/run/kata-containers/sandbox/disks';

/** What a container's creation in the guest needs of its root file system. */
export interface ProvidedRootfs {
  /** Where the host sees it, or its etc/passwd at least; undefined: nowhere. */
  readonly hostPath: string | undefined;
  readonly disk: GuestDiskRoot | undefined;
  readonly storages: readonly GuestStorage[];
}

/** How a new container's root file system reaches its guest. UNSUPPORTED for a wish that can't be granted; nothing is touched. */
export function decideRootfs({ sandbox, ...unit }: Pick<ContainerUnit, 'sandbox' | 'id'> & { readonly stateDir: string }, spec: ContainerSpec, found: { readonly source: ResolvedSource; readonly binds: number }): ContainerRootfs {
  const { record, deps, diskUnits } = sandbox;
  const { kind, reason } = chooseRootfs({
    asked: spec.rootfsMode,
    source: spec.rootfs.kind,
    binds: found.binds,
    share: record.profile.sharedFs === 'virtiofs',
    controller: record.vmSpec?.diskController === true,
  });
  const { image } = found.source;
  if (kind !== 'block' || image === undefined) return { kind, reason, disks: undefined };
  return { kind, reason, disks: diskUnits.promise(record, unit.id, { image: deps.imageDisks.path(image), own: `${unit.stateDir}/disk.img` }) };
}

/** Its root file system, as far as the host goes: mounted in the share, or both disks in the VM. */
export async function provideRootfs(unit: ContainerUnit, source: ResolvedSource, run: PlanRun<'container-create'>, options: WaitOptions): Promise<ProvidedRootfs> {
  switch (unit.record.rootfs.kind) {
    case 'virtiofs': {
      const { hostPath } = await run.step('rootfs', () => unit.sandbox.deps.rootfs.prepare(unit.rootfsPlace(), source.lowers, options), options);
      return { hostPath, disk: undefined, storages: [] };
    }
    case 'block':
      return await run.step('disks', () => plugIn(unit, source, options), options);
    case 'none':
      return { hostPath: undefined, disk: undefined, storages: [] };
  }
}

/** After a creation that failed. What an earlier life of the container wrote on its disk stays. */
export async function removeRootfs(unit: ContainerUnit, place: RootfsPlace): Promise<void> {
  if (unit.record.rootfs.kind === 'block') await takeDisksOut(unit);
  else await unit.sandbox.deps.rootfs.remove(place);
}

async function plugIn(unit: ContainerUnit, { image }: ResolvedSource, options: WaitOptions): Promise<ProvidedRootfs> {
  const { deps, record, diskChanges } = unit.sandbox;
  const { disks } = unit.record.rootfs;
  if (disks === undefined || image === undefined) throw new DomainError('INTERNAL', 'the record of a container on disks has none', { containerId: unit.id });
  // An image that came with the installation may have another build by now.
  const made = deps.imageDisks.path(image) === disks.image.path ? await deps.imageDisks.provide(image, options) : await deps.imageDisks.known(disks.image.path);
  await deps.blankDisks.provide(disks.own.path, record.profile.writableSizeBytes, options);
  await diskChanges.run(async () => {
    const session = running(unit);
    await session.disks.add({ ...disks.image, readOnly: true }, options);
    await session.disks.add({ ...disks.own, readOnly: false }, options);
  });
  const root = `${GUEST_DISKS}/root/${unit.id}`;
  return { hostPath: made.users, disk: { root, volumes: made.volumes }, storages: storagesOf(unit.id, { root, image: disks.image.unit, own: disks.own.unit }) };
}

/** The image is mounted once in a guest, whoever comes first; the kernel assembles the two. */
function storagesOf(containerId: string, { root, image, own }: { readonly root: string; readonly image: number; readonly own: number }): readonly GuestStorage[] {
  const lower = `${GUEST_DISKS}/image/${image}`;
  const layer = `${GUEST_DISKS}/own/${containerId}`;
  return [
    { driver: 'scsi', source: `0:${image}`, fstype: 'erofs', options: ['ro'], mountPoint: lower },
    { driver: 'scsi', source: `0:${own}`, fstype: 'ext4', options: ['noinit_itable', 'discard'], mountPoint: layer },
    { driver: 'overlayfs', source: 'overlay', fstype: 'overlay', options: [`lowerdir=${lower}`, `upperdir=${layer}/upper`, `workdir=${layer}/work`, 'index=off', 'metacopy=off'], mountPoint: root },
  ];
}

/** Takes its disks out of the VM, after the guest has let go of them. Idempotent, for any half-made state; the files stay. */
export async function takeDisksOut(unit: ContainerUnit): Promise<void> {
  const { sandbox } = unit;
  const disks = unit.exists ? unit.record.rootfs.disks : undefined;
  if (disks === undefined) return;
  await sandbox.diskChanges.run(async () => {
    // With the VM they are gone too.
    if (sandbox.session === undefined) return;
    await sandbox.session.disks.remove(disks.own.unit);
    if (sandbox.diskUnits.isLast(sandbox.record, unit.id, disks)) await sandbox.session.disks.remove(disks.image.unit);
  });
}

/** Where the host reads the users of a container's root file system. */
export function usersPath(unit: ContainerUnit): string {
  const { disks } = unit.record.rootfs;
  return disks === undefined ? unit.rootfsPath() : dirname(disks.image.path);
}

function running({ sandbox }: ContainerUnit): NonNullable<ContainerUnit['sandbox']['session']> {
  if (sandbox.session === undefined) throw new DomainError('VMM_EXITED', 'the VM has ended', { sandboxId: sandbox.id, remedy: 'start the sandbox again' });
  return sandbox.session;
}
