import type { ContainerRootfs, RootfsMode } from '../model/container-rootfs.ts';
import { DomainError } from '../model/errors.ts';
import type { RootfsSource } from '../model/sandbox-spec.ts';

export interface RootfsFacts {
  readonly asked: RootfsMode;
  readonly source: RootfsSource['kind'];
  /** Of the container's mounts, those of the host. */
  readonly binds: number;
  /** Its sandbox shares files with the guest. */
  readonly share: boolean;
  /** Its VM has the controller for disks of images. */
  readonly controller: boolean;
}

type Choice = Pick<ContainerRootfs, 'kind' | 'reason'>;

/** How a container's root file system reaches its guest, and why. UNSUPPORTED for a wish that its sandbox can't grant. Pure. */
export function chooseRootfs(facts: RootfsFacts): Choice {
  switch (facts.asked) {
    case 'auto':
      return chooseAlone(facts);
    case 'virtiofs':
      if (!facts.share) throw refused('virtiofs', 'its sandbox shares no files with its guest', 'create the sandbox with shared_fs = "virtiofs"');
      return { kind: 'virtiofs', reason: 'asked for' };
    case 'block':
      if (facts.source !== 'image') throw refused('block', 'a directory of the host is shared as it is, and not made into a disk', 'import it as an image (viv image import), or use virtiofs');
      if (!facts.controller) throw refused('block', 'its VM has no controller for the disks', 'create the sandbox with --set block_rootfs=true; viv run does it by itself');
      return { kind: 'block', reason: 'asked for' };
    case '9p':
      throw refused('9p', 'the kernels of guests that are built here have no 9p', 'use virtiofs');
    case 'none':
      throw refused('none', 'files are not pushed into a guest', 'use block: it needs no shared directory either');
  }
}

function chooseAlone({ source, binds, share, controller }: RootfsFacts): Choice {
  if (source !== 'image' && share) return { kind: 'virtiofs', reason: 'auto: virtiofs, a directory of the host is its root' };
  if (binds > 0 && share) return { kind: 'virtiofs', reason: 'auto: virtiofs, a host path is bound' };
  if (share) return { kind: 'virtiofs', reason: controller ? 'auto: virtiofs, its sandbox shares files already' : 'auto: virtiofs, its VM has no controller for disks' };
  if (source === 'image' && controller) return { kind: 'block', reason: 'auto: block, its sandbox shares no files' };
  return { kind: 'none', reason: 'auto: its sandbox shares no files and has no controller for disks' };
}

function refused(mode: RootfsMode, why: string, remedy: string): DomainError {
  return new DomainError('UNSUPPORTED', `rootfs mode ${mode}: ${why}`, { remedy, facts: { rootfs_mode: mode } });
}
