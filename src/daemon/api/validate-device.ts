import type { BlockSpec, DeviceSpec, DeviceWhat } from '../../core/model/device-spec.ts';
import type { VfioSpec } from '../../core/model/vfio-spec.ts';
import type { VfioDevice, AttachDeviceRequest, BlockDevice, DetachDeviceRequest, GetDeviceRequest } from '../../gen/vivarium/v1/device.ts';
import { BLOCK_AIOS, BLOCK_BUSES, BLOCK_CACHES, BLOCK_FORMATS, VFIO_MODES } from './convert-device.ts';
import { parsed } from './field-errors.ts';
import type { FieldErrors } from './field-errors.ts';
import { checkAbsolutePath, checkReference, checkRequestId } from './validate-fields.ts';

const ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/;
/** What discovery makes of it is another matter: only what could be none of the forms is refused here. */
const VFIO = /^(?:[0-9a-fA-F:.]{7,16}|\/dev\/vfio\/[a-z0-9/-]{1,40}|\/sys\/[\x21-\x7e]{1,400})$/;
const SERIAL = /^[\x21-\x7e]{0,20}$/;

export function parseAttachDevice(request: AttachDeviceRequest): { readonly ref: string; readonly requestId: string; readonly spec: DeviceSpec } {
  return parsed((errors) => ({
    ref: checkReference(errors, 'sandbox_id', request.sandboxId),
    requestId: checkRequestId(errors, request.requestId),
    spec: Object.freeze({ id: checkDeviceId(errors, 'device.id', request.device?.id ?? ''), what: checkKind(errors, request) }),
  }));
}

export function parseDetachDevice(request: DetachDeviceRequest): { readonly ref: string; readonly requestId: string; readonly deviceId: string } {
  return parsed((errors) => ({
    ref: checkReference(errors, 'sandbox_id', request.sandboxId),
    requestId: checkRequestId(errors, request.requestId),
    deviceId: checkDeviceId(errors, 'device_id', request.deviceId),
  }));
}

export function parseDeviceRef(request: GetDeviceRequest): { readonly ref: string; readonly deviceId: string } {
  return parsed((errors) => ({ ref: checkReference(errors, 'sandbox_id', request.sandboxId), deviceId: checkDeviceId(errors, 'device_id', request.deviceId) }));
}

function checkDeviceId(errors: FieldErrors, field: string, value: string): string {
  errors.check(ID.test(value), field, 'must be 1 to 64 letters, digits, \'-\', \'_\' or \'.\', and begin with a letter or digit');
  return value;
}

function checkKind(errors: FieldErrors, { device }: AttachDeviceRequest): DeviceWhat {
  if (device?.kind?.$case === 'block') return checkBlock(errors, 'device.block', device.kind.value);
  if (device?.kind?.$case === 'vfio') return checkVfio(errors, 'device.vfio', device.kind.value);
  errors.add('device.kind', 'is required: block or vfio');
  return checkBlock(errors, 'device.block', { path: '/', format: 0, readOnly: false, bus: 0, aio: 0, cache: 0, discard: false, serial: '' });
}

/** `field`: where it stands in the request. */
export function checkBlock(errors: FieldErrors, field: string, block: BlockDevice): BlockSpec {
  errors.check(SERIAL.test(block.serial), `${field}.serial`, 'must be at most 20 printable ASCII characters without spaces');
  return Object.freeze<BlockSpec>({
    kind: 'block',
    path: checkAbsolutePath(errors, `${field}.path`, block.path),
    format: block.format === 0 ? undefined : word(errors, `${field}.format`, BLOCK_FORMATS, block.format, 'raw'),
    readOnly: block.readOnly,
    bus: word(errors, `${field}.bus`, BLOCK_BUSES, block.bus, 'virtio-blk'),
    aio: word(errors, `${field}.aio`, BLOCK_AIOS, block.aio, 'threads'),
    cache: word(errors, `${field}.cache`, BLOCK_CACHES, block.cache, 'writeback'),
    discard: block.discard,
    serial: block.serial,
  });
}

/** Whether there is such a device is the host's to say. */
export function checkVfio(errors: FieldErrors, field: string, { device, mode }: VfioDevice): VfioSpec {
  errors.check(VFIO.test(device), `${field}.device`, 'must be an address (0000:01:00.0), a group (/dev/vfio/16) or a directory below /sys');
  return Object.freeze<VfioSpec>({ kind: 'vfio', device, mode: word(errors, `${field}.mode`, VFIO_MODES, mode, 'guest-kernel') });
}

/** 0 is the default; a number that this version does not know is refused. */
function word<Word extends string>(errors: FieldErrors, field: string, table: Readonly<Record<Word, number>>, value: number, unsaid: Word): Word {
  if (value === 0) return unsaid;
  const found = (Object.entries(table) as [Word, number][]).find(([, number]) => number === value)?.[0];
  errors.check(found !== undefined, field, `has no value ${value}`);
  return found ?? unsaid;
}
