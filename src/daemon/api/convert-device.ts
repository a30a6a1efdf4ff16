import type { BlockAio, BlockBus, BlockCache, BlockFormat, BlockSpec, DeviceRecord, DeviceState } from '../../core/model/device-spec.ts';
import { serialOf } from '../../core/model/device-spec.ts';
import {
  BlockAio as AioValue, BlockBus as BusValue, BlockCache as CacheValue, BlockFormat as FormatValue, DeviceState as StateValue,
} from '../../gen/vivarium/v1/device.ts';
import type { BlockDevice, Device } from '../../gen/vivarium/v1/device.ts';
import { bytes, timestamp } from './convert-common.ts';

/** Model word → wire number, each total by its type. */
const STATES = {
  attaching: StateValue.DEVICE_STATE_ATTACHING,
  attached: StateValue.DEVICE_STATE_ATTACHED,
  unplugging: StateValue.DEVICE_STATE_UNPLUGGING,
  releasing: StateValue.DEVICE_STATE_RELEASING,
  failed: StateValue.DEVICE_STATE_FAILED,
  kept: StateValue.DEVICE_STATE_KEPT,
} as const satisfies Record<DeviceState, number>;

export const BLOCK_FORMATS = { raw: FormatValue.BLOCK_FORMAT_RAW, qcow2: FormatValue.BLOCK_FORMAT_QCOW2 } as const satisfies Record<BlockFormat, number>;
export const BLOCK_BUSES = { 'virtio-blk': BusValue.BLOCK_BUS_VIRTIO_BLK, 'virtio-scsi': BusValue.BLOCK_BUS_VIRTIO_SCSI } as const satisfies Record<BlockBus, number>;
export const BLOCK_AIOS = { threads: AioValue.BLOCK_AIO_THREADS, native: AioValue.BLOCK_AIO_NATIVE, io_uring: AioValue.BLOCK_AIO_IO_URING } as const satisfies Record<BlockAio, number>;
export const BLOCK_CACHES = {
  writeback: CacheValue.BLOCK_CACHE_WRITEBACK, direct: CacheValue.BLOCK_CACHE_DIRECT, unsafe: CacheValue.BLOCK_CACHE_UNSAFE,
} as const satisfies Record<BlockCache, number>;

export function deviceToWire(sandboxId: string, device: DeviceRecord): Device {
  const { id, spec, state, host, guest, attachedAtMs, detail, owner } = device;
  return {
    id,
    sandboxId,
    spec: { id, kind: { $case: 'block', value: blockToWire(spec.what, serialOf(spec)) } },
    state: STATES[state],
    pciAddress: guest?.pciAddress ?? '',
    guestPath: guest?.path ?? '',
    sizeBytes: bytes(host.sizeBytes),
    attachedAt: timestamp(attachedAtMs),
    detail,
    hostPath: host.path,
    format: BLOCK_FORMATS[host.format],
    containerId: owner,
  };
}

/** What was asked for; the serial as the guest sees it. */
export function blockToWire(spec: BlockSpec, serial: string): BlockDevice {
  return {
    path: spec.path,
    format: spec.format === undefined ? FormatValue.BLOCK_FORMAT_UNSPECIFIED : BLOCK_FORMATS[spec.format],
    readOnly: spec.readOnly,
    bus: BLOCK_BUSES[spec.bus],
    aio: BLOCK_AIOS[spec.aio],
    cache: BLOCK_CACHES[spec.cache],
    discard: spec.discard,
    serial,
  };
}
