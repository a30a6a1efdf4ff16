/** Where things are in the guest. The kata agent's paths: an official agent knows no others. */
export const GUEST_SHARED_DIR = '/run/kata-containers/shared/containers/';
export const RESOLV_CONF = '/etc/resolv.conf';

export function guestRootfs(containerId: string): string {
  return `${GUEST_SHARED_DIR}${containerId}/rootfs`;
}

/** Of what a container's mount shows of the host; the storage room puts it there. */
export function guestMount(containerId: string, index: number): string {
  return `${GUEST_SHARED_DIR}${containerId}/mounts/${index}`;
}

export function guestCgroup(containerId: string): string {
  return `/vivarium/${containerId}`;
}
