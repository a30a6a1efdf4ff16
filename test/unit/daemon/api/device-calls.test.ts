import { describe, expect, it } from 'vitest';
import { deviceToWire } from '../../../../src/daemon/api/convert-device.ts';
import { parseAttachDevice, parseDetachDevice } from '../../../../src/daemon/api/validate-device.ts';
import { AttachDeviceRequest, BlockCache, BlockFormat, DeviceState } from '../../../../src/gen/vivarium/v1/device.ts';
import { deviceRecord, diskSpec } from '../../../fakes/records.ts';

const disk = { path: '/disks/d0.img' };
const request = (id: string, value: object): AttachDeviceRequest => AttachDeviceRequest.fromPartial({ sandboxId: 'sb', device: { id, kind: { $case: 'block', value } } });

describe('a call about a device', () => {
  it('says what is wanted, and what it leaves out is the default', () => {
    expect(parseAttachDevice(request('d0', disk)).spec).toEqual(diskSpec('d0'));
    expect(parseAttachDevice(request('d0', { ...disk, format: BlockFormat.BLOCK_FORMAT_RAW, cache: BlockCache.BLOCK_CACHE_UNSAFE })).spec.what).toMatchObject({ format: 'raw', cache: 'unsafe' });
  });

  it('is told all that is wrong with it at once', () => {
    const wrong = request('../x', { path: 'relative', format: 77, serial: 'more than twenty letters' });
    expect(() => parseAttachDevice(wrong)).toThrow(expect.objectContaining({
      reason: 'INVALID_REQUEST',
      details: expect.objectContaining({ fields: ['device.id', 'device.block.serial', 'device.block.path', 'device.block.format'].map((field) => expect.objectContaining({ field }) as unknown) }) as unknown,
    }) as Error);
    expect(() => parseAttachDevice(AttachDeviceRequest.fromPartial({ sandboxId: 'sb', device: { id: 'd0' } }))).toThrow('device.kind: one of block, vfio, vhost_user_blk and tap is required');
    expect(() => parseDetachDevice({ sandboxId: 'sb', deviceId: '', requestId: '', force: false })).toThrow('device_id');
  });

  it('answers with the serial that the guest sees and where it is', () => {
    const record = deviceRecord({ state: 'unplugging', guest: { pciAddress: '0000:01:00.0', path: '/dev/vda', sizeBytes: 1, functions: [] }, detail: 'late' });
    expect(deviceToWire('sb', record)).toMatchObject({
      id: 'd0', sandboxId: 'sb', state: DeviceState.DEVICE_STATE_UNPLUGGING, pciAddress: '0000:01:00.0', guestPath: '/dev/vda', hostPath: '/disks/d0.img', detail: 'late', sizeBytes: 1n << 20n,
      spec: { kind: { $case: 'block', value: { serial: 'd0', path: '/disks/d0.img' } } },
    });
  });
});
