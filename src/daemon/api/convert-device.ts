import type { BlockAio, BlockBus, BlockCache, BlockFormat, BlockSpec, DeviceRecord, DeviceSpec, DeviceState, TapSpec, VhostUserBlkSpec } from '../../core/model/device-spec.ts';
import { serialOf } from '../../core/model/device-spec.ts';
import type { VfioMode, VfioSpec } from '../../core/model/vfio-spec.ts';
import {
  BlockAio as AioValue, BlockBus as BusValue, BlockCache as CacheValue, BlockFormat as FormatValue, DeviceState as StateValue, VfioMode as VfioModeValue,
} from '../../gen/vivarium/v1/device.ts';
import type { BlockDevice, Device, DeviceFunction, DeviceSpec as DeviceSpecMessage, TapDevice, VfioDevice, VhostUserBlockDevice } from '../../gen/vivarium/v1/device.ts';
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

export const VFIO_MODES = { 'guest-kernel': VfioModeValue.VFIO_MODE_GUEST_KERNEL, 'vfio': VfioModeValue.VFIO_MODE_VFIO } as const satisfies Record<VfioMode, number>;
export const BLOCK_FORMATS = { raw: FormatValue.BLOCK_FORMAT_RAW, qcow2: FormatValue.BLOCK_FORMAT_QCOW2 } as const satisfies Record<BlockFormat, number>;
export const BLOCK_BUSES = { 'virtio-blk': BusValue.BLOCK_BUS_VIRTIO_BLK, 'virtio-scsi': BusValue.BLOCK_BUS_VIRTIO_SCSI, 'nvdimm': BusValue.BLOCK_BUS_NVDIMM } as const satisfies Record<BlockBus, number>;
export const BLOCK_AIOS = { threads: AioValue.BLOCK_AIO_THREADS, native: AioValue.BLOCK_AIO_NATIVE, io_uring: AioValue.BLOCK_AIO_IO_URING } as const satisfies Record<BlockAio, number>;
export const BLOCK_CACHES = {
  writeback: CacheValue.BLOCK_CACHE_WRITEBACK, direct: CacheValue.BLOCK_CACHE_DIRECT, unsafe: CacheValue.BLOCK_CACHE_UNSAFE,
} as const satisfies Record<BlockCache, number>;

export function deviceToWire(sandboxId: string, device: DeviceRecord): Device {
  const { id, spec, state, host, guest, attachedAtMs, detail, owner } = device;
  return {
    id,
    sandboxId,
    spec: specToWire(spec),
    state: STATES[state],
    pciAddress: guest?.pciAddress ?? '',
    guestPath: guest?.path ?? '',
    sizeBytes: bytes(host.kind === 'disk' ? host.sizeBytes : (guest?.sizeBytes ?? 0)),
    attachedAt: timestamp(attachedAtMs),
    detail,
    hostPath: host.path,
    format: host.kind === 'disk' ? BLOCK_FORMATS[host.format] : FormatValue.BLOCK_FORMAT_UNSPECIFIED,
    containerId: owner,
    functions: functionsToWire(device),
  };
}

function specToWire({ id, what }: DeviceSpec): DeviceSpecMessage {
  switch (what.kind) {
    case 'block':
      return { id, kind: { $case: 'block', value: blockToWire(what, serialOf(id, what)) } };
    case 'vfio':
      return { id, kind: { $case: 'vfio', value: vfioToWire(what) } };
    case 'vhost-user-blk':
      return { id, kind: { $case: 'vhostUserBlk', value: vhostUserToWire(what) } };
    case 'tap':
      return { id, kind: { $case: 'tap', value: tapToWire(what) } };
  }
}

export function vfioToWire({ device, mode }: VfioSpec): VfioDevice {
  return { device, mode: VFIO_MODES[mode] };
}

export function vhostUserToWire({ socket }: VhostUserBlkSpec): VhostUserBlockDevice {
  return { socketPath: socket };
}

function tapToWire({ queues, mac }: TapSpec): TapDevice {
  return { queues, mac };
}

function functionsToWire({ host, guest }: DeviceRecord): DeviceFunction[] {
  if (host.kind !== 'vfio') return [];
  return host.functions.map(({ address, driver, classCode, vendor, device }, part) => {
    const seen = guest?.functions[part];
    return { hostAddress: address, hostDriver: driver, classCode, vendor, device, guestAddress: seen?.pciAddress ?? '', guestDriver: seen?.driver ?? '', nodes: [...(seen?.nodes ?? [])], interfaces: [...(seen?.interfaces ?? [])] };
  });
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
    logicalBlockBytes: spec.logicalBlockBytes,
    physicalBlockBytes: spec.physicalBlockBytes,
  };
}
