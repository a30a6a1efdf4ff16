import type { ContainerRootfs, RootfsDisk, RootfsDisks } from '../core/model/container-rootfs.ts';
import type { BlockSpec, DeviceKind, DeviceRecord, DeviceSpec, DeviceWhat, GuestDevice, GuestFunction, HostDevice, HostDisk, HostSocket, HostTap, TapSpec, VhostUserBlkSpec } from '../core/model/device-spec.ts';
import type { HostFunction, HostVfio, VfioSpec } from '../core/model/vfio-spec.ts';
import { byKind, flag, list, maybe, number, object, oneOf, orElse, text } from './codec.ts';
import type { Codec } from './codec.ts';

const format = oneOf({ raw: true, qcow2: true } as const);

/** By kind: a kind without a codec does not compile. */
export const deviceKinds = {
  block: object<BlockSpec>({
    kind: oneOf({ block: true } as const),
    path: text,
    format: maybe(format),
    readOnly: flag,
    bus: oneOf({ 'virtio-blk': true, 'virtio-scsi': true, 'nvdimm': true } as const),
    aio: oneOf({ threads: true, native: true, io_uring: true } as const),
    cache: oneOf({ writeback: true, direct: true, unsafe: true } as const),
    discard: flag,
    serial: text,
    logicalBlockBytes: orElse(number, 0),
    physicalBlockBytes: orElse(number, 0),
  }),
  'vhost-user-blk': object<VhostUserBlkSpec>({ kind: oneOf({ 'vhost-user-blk': true } as const), socket: text }),
  tap: object<TapSpec>({ kind: oneOf({ tap: true } as const), queues: number, mac: text }),
  vfio: object<VfioSpec>({ kind: oneOf({ vfio: true } as const), device: text, mode: oneOf({ 'guest-kernel': true, 'vfio': true } as const) }),
} satisfies { readonly [Kind in DeviceKind]: Codec<Extract<DeviceWhat, { readonly kind: Kind }>> };

const deviceSpec: Codec<DeviceSpec> = object<DeviceSpec>({ id: text, what: byKind<DeviceWhat>(deviceKinds) });

const disk: Codec<HostDisk> = object<HostDisk>({ kind: oneOf({ disk: true } as const), path: text, identity: text, format, isDevice: flag, sizeBytes: number });
const hostFunction: Codec<HostFunction> = object<HostFunction>({ address: text, classCode: text, vendor: text, device: text, driver: text, numaNode: number, express: flag, barBytes: number });
const vfio: Codec<HostVfio> = object<HostVfio>({ kind: oneOf({ vfio: true } as const), path: text, identity: text, group: number, functions: list(hostFunction) });
const socket: Codec<HostSocket> = object<HostSocket>({ kind: oneOf({ socket: true } as const), path: text, identity: text });
const tap: Codec<HostTap> = object<HostTap>({ kind: oneOf({ tap: true } as const), path: text, identity: text });
const hostDevice: Codec<HostDevice> = byKind<HostDevice>({ disk, vfio, socket, tap });

/** Records of the first days knew disks alone, and did not say so. */
const host: Codec<HostDevice> = {
  encode: (value) => hostDevice.encode(value),
  decode: (json, path) => hostDevice.decode(typeof json === 'object' && json !== null && !('kind' in json) ? { kind: 'disk', ...json } : json, path),
};

const rootfsDisk: Codec<RootfsDisk> = object<RootfsDisk>({ unit: number, path: text });

export const containerRootfs: Codec<ContainerRootfs> = object<ContainerRootfs>({
  kind: oneOf({ virtiofs: true, block: true, none: true } as const),
  reason: text,
  disks: maybe(object<RootfsDisks>({ image: rootfsDisk, own: rootfsDisk })),
});

const guestFunction: Codec<GuestFunction> = object<GuestFunction>({ pciAddress: text, driver: text, nodes: list(text), interfaces: list(text) });

export const deviceRecord: Codec<DeviceRecord> = object<DeviceRecord>({
  id: text,
  spec: deviceSpec,
  state: oneOf({ attaching: true, attached: true, unplugging: true, releasing: true, failed: true, kept: true } as const),
  slot: number,
  host,
  guest: maybe(object<GuestDevice>({ pciAddress: text, path: text, sizeBytes: number, functions: orElse(list(guestFunction), []) })),
  attachedAtMs: maybe(number),
  detail: text,
  owner: orElse(text, ''),
});
