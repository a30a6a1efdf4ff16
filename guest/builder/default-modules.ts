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
  'virtiofs', 'overlay', 'virtio_rng', 'virtio_net', 'virtio_blk', 'virtio_balloon', 'virtio_mem',
];

/**
 * What takes an image on a disk to a root file system. Loading takes the agent as long as all of the above, so it does that for a VM with the
 * SCSI controller, or when the first such disk is asked for. The bus is not scanned: the agent is told which number to look at.
 */
export const DISK_MODULES: readonly string[] = ['scsi_mod scan=manual', 'virtio_scsi', 'sd_mod', 'erofs'];
