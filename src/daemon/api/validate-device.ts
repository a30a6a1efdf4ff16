import type { BlockSpec, DeviceSpec, DeviceWhat, TapSpec, VhostUserBlkSpec } from '../../core/model/device-spec.ts';
import type { VfioSpec } from '../../core/model/vfio-spec.ts';
import type { VfioDevice, AttachDeviceRequest, BlockDevice, DetachDeviceRequest, GetDeviceRequest, TapDevice, VhostUserBlockDevice } from '../../gen/vivarium/v1/device.ts';
import { BLOCK_AIOS, BLOCK_BUSES, BLOCK_CACHES, BLOCK_FORMATS, VFIO_MODES } from './convert-device.ts';
import { parsed } from './field-errors.ts';
import type { FieldErrors } from './field-errors.ts';
import { checkAbsolutePath, checkReference, checkRequestId } from './validate-fields.ts';

const ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/;
/** What discovery makes of it is another matter: only what could be none of the forms is refused here. */
const VFIO = /^(?:[0-9a-fA-F:.]{7,16}|\/dev\/vfio\/[a-z0-9/-]{1,40}|\/sys\/[\x21-\x7e]{1,400})$/;
const LEAST_SECTOR = 512;
const MOST_SECTOR = 32_768;
const MOST_QUEUES = 8;
/** Of one card: the lowest bit of the first byte is for groups. */
const MAC = /^[0-9a-fA-F][02468aceACE](?::[0-9a-fA-F]{2}){5}$/;
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
  const kind = device?.kind;
  switch (kind?.$case) {
    case 'block':
      return checkBlock(errors, 'device.block', kind.value);
    case 'vfio':
      return checkVfio(errors, 'device.vfio', kind.value);
    case 'vhostUserBlk':
      return checkVhostUser(errors, 'device.vhost_user_blk', kind.value);
    case 'tap':
      return checkTap(errors, 'device.tap', kind.value);
    case undefined:
      errors.add('device.kind', 'one of block, vfio, vhost_user_blk and tap is required');
      return { kind: 'vhost-user-blk', socket: '' };
  }
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
    logicalBlockBytes: checkSectors(errors, `${field}.logical_block_bytes`, block.logicalBlockBytes),
    physicalBlockBytes: checkSectors(errors, `${field}.physical_block_bytes`, block.physicalBlockBytes, block.logicalBlockBytes),
  });
}

/** A power of two that QEMU takes; a physical sector holds whole logical ones. */
function checkSectors(errors: FieldErrors, field: string, value: number, least = 0): number {
  errors.check(value === 0 || (value >= LEAST_SECTOR && value <= MOST_SECTOR && Number.isInteger(Math.log2(value))), field, `must be 0 or a power of two, ${LEAST_SECTOR} to ${MOST_SECTOR}`);
  errors.check(value === 0 || value >= least, field, `must not be below the logical block's ${least}`);
  return value;
}

export function checkVhostUser(errors: FieldErrors, field: string, { socketPath }: VhostUserBlockDevice): VhostUserBlkSpec {
  return Object.freeze<VhostUserBlkSpec>({ kind: 'vhost-user-blk', socket: checkAbsolutePath(errors, `${field}.socket_path`, socketPath) });
}

function checkTap(errors: FieldErrors, field: string, { queues, mac }: TapDevice): TapSpec {
  errors.check(queues <= MOST_QUEUES, `${field}.queues`, `must be at most ${MOST_QUEUES}`);
  errors.check(mac === '' || MAC.test(mac), `${field}.mac`, 'must be the address of one card, as 52:54:00:12:34:56');
  return Object.freeze<TapSpec>({ kind: 'tap', queues: queues === 0 ? 1 : queues, mac: mac.toLowerCase() });
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
