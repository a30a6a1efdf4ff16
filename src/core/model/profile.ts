/** The machine that a sandbox gets: a named TOML file, checked by `parseProfile`. Sizes are bytes, times milliseconds. */
export interface Profile {
  readonly name: string;
  readonly hypervisor: 'qemu';
  /** Path of the VMM's binary. */
  readonly hypervisorPath: string;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly machine: 'q35' | 'microvm';
  /** Empty: `host` under KVM, `max` under TCG. */
  readonly cpuModel: string;
  readonly cpus: number;
  readonly maxCpus: number;
  readonly memoryBytes: number;
  readonly maxMemoryBytes: number;
  /** Added to a workload's memory limit: what kernel, agent and page tables take. */
  readonly memoryOverheadBytes: number;
  /** Name of a built guest, or empty when kernel and initrd are given. */
  readonly guest: string;
  readonly kernel: string;
  readonly initrd: string;
  /** A root disk image, attached read-only as the first virtio-blk disk. */
  readonly image: string;
  /** Appended after our own parameters. */
  readonly kernelParams: string;
  readonly hugepages: boolean;
  /** Devices that can be plugged in while it runs, each into a port of its own; a microvm has none. */
  readonly pciePorts: number;
  readonly sharedFs: 'virtiofs' | 'none';
  /** The VM has a controller for disks of images, so that containers may have them as root file systems. */
  readonly blockRootfs: boolean;
  /** Of what a container on such a disk may write. */
  readonly writableSizeBytes: number;
  readonly virtiofsdPath: string;
  readonly virtiofsCache: 'auto' | 'always' | 'none';
  readonly agent: 'viv-agent' | 'kata' | 'none';
  /** Directory in the guest with `prestart`, `poststart` and `poststop` directories of hooks; empty: none. */
  readonly guestHookPath: string;
  readonly bootTimeoutMs: number;
  readonly createTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** A VMM whose monitor is mute, or a guest whose agent is, for so long is ended; 0: it is only told. */
  readonly vmmHungTimeoutMs: number;
  readonly agentLostTimeoutMs: number;
  /** Keys that a caller may override, matched exactly. */
  readonly allowedOverrides: readonly ProfileKey[];
}

/** A key of a profile's TOML file. */
export type ProfileKey =
  | 'hypervisor'
  | 'hypervisor_path'
  | 'accelerator'
  | 'machine'
  | 'cpu_model'
  | 'cpus'
  | 'max_cpus'
  | 'memory'
  | 'max_memory'
  | 'memory_overhead'
  | 'guest'
  | 'kernel'
  | 'initrd'
  | 'image'
  | 'kernel_params'
  | 'hugepages'
  | 'pcie_ports'
  | 'shared_fs'
  | 'block_rootfs'
  | 'writable_size'
  | 'virtiofsd_path'
  | 'virtiofs_cache'
  | 'agent'
  | 'guest_hook_path'
  | 'boot_timeout'
  | 'create_timeout'
  | 'stop_timeout'
  | 'vmm_hung_timeout'
  | 'agent_lost_timeout'
  | 'allowed_overrides';
