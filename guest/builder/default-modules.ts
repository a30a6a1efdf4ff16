/**
 * What has to be there before the agent's channel is: the PCI transport of virtio, the serial port, and the device that tells
 * the host of a panic. Dependencies are added by the builder.
 */
export const BOOT_MODULES: readonly string[] = ['virtio_pci', 'virtio_console', 'pvpanic_pci'];

/**
 * What a container's VM needs besides, loaded once the agent answers. Built-in ones (ext4, say) need no mention. A guest whose agent is to be
 * reached over vsock is built with `--module vmw_vsock_virtio_transport`.
 */
export const LATE_MODULES: readonly string[] = [
  'virtiofs', 'overlay', 'virtio_rng', 'virtio_net', 'virtio_blk', 'erofs', 'virtio_scsi', 'sd_mod', 'virtio_balloon', 'virtio_mem',
];
