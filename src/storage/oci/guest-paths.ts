/** Where things are in the guest. The kata agent's paths: an official agent knows no others. */
export const GUEST_SHARED_DIR = '/run/kata-containers/shared/containers/';
/** The guest's own; the agent writes it from the sandbox's DNS lines, when there are any. */
export const GUEST_RESOLV_CONF = '/etc/resolv.conf';

export function guestRootfs(containerId: string): string {
  return `${GUEST_SHARED_DIR}${containerId}/rootfs`;
}

export function guestCgroup(containerId: string): string {
  return `/vivarium/${containerId}`;
}
