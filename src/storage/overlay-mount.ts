import { DomainError } from '../core/model/errors.ts';
import type { WaitOptions } from '../core/ports/host.ts';
import type { LayerLinks } from './layer-links.ts';
import type { Mounter } from './mounter.ts';

/** The kernel copies mount data into one page. */
const LONGEST_MOUNT_DATA = 4_000;

export interface OverlayDirectories {
  /** The topmost first. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** A path as a value in overlay's option string: backslash, comma and colon have a meaning there. */
export function escapeOverlayPath(path: string): string {
  return path.replace(/[\\,:]/g, '\\$&');
}

/**
 * `index=off`: a lower directory serves many overlays at once, and one whose upper was moved away is mounted anew without complaint.
 * `metacopy=off`: the upper directory never needs its lower to make sense of a file's data, so nothing a guest writes can point elsewhere.
 * `volatile`: unmounting an overlay syncs the whole file system below its upper directory, which takes as long as everyone's unwritten data
 * needs. With it an fsync inside the container does not reach the disk: a writable layer outlives its sandbox and a reboot, not a power cut.
 */
export function overlayOptions(lowers: readonly string[], upper: string, work: string): string {
  return `lowerdir=${lowers.map(escapeOverlayPath).join(':')},upperdir=${escapeOverlayPath(upper)},workdir=${escapeOverlayPath(work)},index=off,metacopy=off,volatile`;
}

/** By short names where the layers' own are too long for one page. The kernel follows links when it mounts, and keeps what they led to. */
export async function mountOverlay({ mounter, links }: { readonly mounter: Mounter; readonly links: LayerLinks }, target: string, { lowers, upper, work }: OverlayDirectories, options: WaitOptions): Promise<void> {
  const plain = overlayOptions(lowers, upper, work);
  if (Buffer.byteLength(plain) <= LONGEST_MOUNT_DATA) {
    await mounter.mount([{ source: 'overlay', target, fsType: 'overlay', data: plain }], options);
    return;
  }
  await using short = await links.make(lowers);
  const data = overlayOptions(short.paths, upper, work);
  if (Buffer.byteLength(data) > LONGEST_MOUNT_DATA) {
    throw new DomainError('ROOTFS_FAILED', `the ${lowers.length} directories of this overlay take ${Buffer.byteLength(data)} bytes; the kernel takes ${LONGEST_MOUNT_DATA}`, { remedy: 'use shorter directories (--run, --root), or an image with fewer layers' });
  }
  await mounter.mount([{ source: 'overlay', target, fsType: 'overlay', data }], options);
}
