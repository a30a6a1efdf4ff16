import type { BlockSpec, DeviceRecord, DeviceSpec, GuestDevice, HostDisk } from '../core/model/device-spec.ts';
import { byKind, flag, maybe, number, object, oneOf, text } from './codec.ts';
import type { Codec } from './codec.ts';

const format = oneOf({ raw: true, qcow2: true } as const);

const deviceSpec: Codec<DeviceSpec> = object<DeviceSpec>({
  id: text,
  what: byKind<BlockSpec>({
    block: object<BlockSpec>({
      kind: oneOf({ block: true } as const),
      path: text,
      format: maybe(format),
      readOnly: flag,
      bus: oneOf({ 'virtio-blk': true, 'virtio-scsi': true } as const),
      aio: oneOf({ threads: true, native: true, io_uring: true } as const),
      cache: oneOf({ writeback: true, direct: true, unsafe: true } as const),
      discard: flag,
      serial: text,
    }),
  }),
});

export const deviceRecord: Codec<DeviceRecord> = object<DeviceRecord>({
  id: text,
  spec: deviceSpec,
  state: oneOf({ attaching: true, attached: true, unplugging: true, releasing: true, failed: true, kept: true } as const),
  slot: number,
  host: object<HostDisk>({ path: text, identity: text, format, isDevice: flag, sizeBytes: number }),
  guest: maybe(object<GuestDevice>({ pciAddress: text, path: text, sizeBytes: number })),
  attachedAtMs: maybe(number),
  detail: text,
});
