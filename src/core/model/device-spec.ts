import type { HostVfio, VfioSpec } from './vfio-spec.ts';

export type BlockFormat = 'raw' | 'qcow2';
export type BlockBus = 'virtio-blk' | 'virtio-scsi' | 'nvdimm';
export type BlockAio = 'threads' | 'native' | 'io_uring';
export type BlockCache = 'writeback' | 'direct' | 'unsafe';

/** A disk, as it is asked for: a file or a block device of the host. */
export interface BlockSpec {
  readonly kind: 'block';
  /** Absolute; may be a symbolic link. */
  readonly path: string;
  /** Undefined: not said. */
  readonly format: BlockFormat | undefined;
  readonly readOnly: boolean;
  readonly bus: BlockBus;
  readonly aio: BlockAio;
  readonly cache: BlockCache;
  readonly discard: boolean;
  /** What the guest sees; empty: made of the device's id. */
  readonly serial: string;
  /** The sectors that the guest is told of; 0: as the VMM has them. */
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
}

/** A disk whose back end is a process of its own, reached by its socket (the vhost-user protocol). */
export interface VhostUserBlkSpec {
  readonly kind: 'vhost-user-blk';
  /** Absolute; may be a symbolic link. */
  readonly socket: string;
}

/** A network card, tied to a tap device that is made for it in the network namespace of its VM. */
export interface TapSpec {
  readonly kind: 'tap';
  readonly queues: number;
  /** `52:54:00:12:34:56`; empty: one is made up, and kept over restarts. */
  readonly mac: string;
}

/** Every kind of device that can be plugged in: one member a kind, one driver each in `src/devices` and in the hypervisor's room. */
export type DeviceWhat = BlockSpec | VfioSpec | VhostUserBlkSpec | TapSpec;
export type DeviceKind = DeviceWhat['kind'];

/** What a caller wants plugged in, checked and frozen. */
export interface DeviceSpec {
  /** Unique in its sandbox. */
  readonly id: string;
  readonly what: DeviceWhat;
}

/** What stands behind a disk on the host, found out before anything was touched. */
export interface HostDisk {
  readonly kind: 'disk';
  /** After every symbolic link. */
  readonly path: string;
  /** The same for every name of one file, and for every node of one block device. */
  readonly identity: string;
  readonly format: BlockFormat;
  readonly isDevice: boolean;
  readonly sizeBytes: number;
}

/** A socket at which the back end of a device listens. */
export interface HostSocket {
  readonly kind: 'socket';
  /** After every symbolic link. */
  readonly path: string;
  readonly identity: string;
}

/** A tap device is made for its network card alone: nobody else can have it. */
export interface HostTap {
  readonly kind: 'tap';
  /** Its address on the wire. */
  readonly path: string;
  readonly identity: string;
}

/** What stands behind a device on the host. Every member has a `path` (what a person calls it) and an `identity` (one for each thing, whatever it is called). */
export type HostDevice = HostDisk | HostVfio | HostSocket | HostTap;

/** What the guest made of one function of a PCI device. */
export interface GuestFunction {
  readonly pciAddress: string;
  /** Empty: none of its drivers has it. */
  readonly driver: string;
  /** `/dev/vda`; in their order. */
  readonly nodes: readonly string[];
  /** `eth0` */
  readonly interfaces: readonly string[];
}

/** What the guest says of a device that it has. */
export interface GuestDevice {
  /** `0000:01:00.0` */
  readonly pciAddress: string;
  /** `/dev/vda`; empty: it made no node of it. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of a PCI device that was passed on. */
  readonly functions: readonly GuestFunction[];
}

export type DeviceState = 'attaching' | 'attached' | 'unplugging' | 'releasing' | 'failed' | 'kept';

/** What is on disk of one device. */
export interface DeviceRecord {
  readonly id: string;
  readonly spec: DeviceSpec;
  readonly state: DeviceState;
  /** The port that is reserved for it, from its intent until it is gone. */
  readonly slot: number;
  readonly host: HostDevice;
  /** Undefined until the guest has told, and where no agent tells. */
  readonly guest: GuestDevice | undefined;
  /** When it was first attached: one that never was is not kept for the next start. */
  readonly attachedAtMs: number | undefined;
  readonly detail: string;
  /** The container that brought it, and takes it along when it goes. Empty: it was asked for on its own. */
  readonly owner: string;
}

/** Many sandboxes may have what is only read; anything else is one sandbox's alone. */
export function isOnlyRead(what: DeviceWhat): boolean {
  return what.kind === 'block' && what.readOnly;
}

/** 20 bytes are what virtio-blk has room for. */
const SERIAL_BYTES = 20;

/** What the guest sees as the disk's serial number. */
export function serialOf(id: string, { serial }: BlockSpec): string {
  return serial === '' ? id.slice(0, SERIAL_BYTES) : serial;
}
