import { describe, expect, it } from 'vitest';
import { VfioMode } from '../../../src/gen/vivarium/v1/device.ts';
import { parseContainerDevices } from '../../../src/cli/args/devices.ts';

const read = (text: string): unknown => parseContainerDevices([text], '/here')[0];
const node = (path: string, containerPath = '', permissions = ''): unknown => ({ containerPath, permissions, kind: { $case: 'node', value: { path } } });

describe('--device', () => {
  it.each([
    ['/dev/sdb', node('/dev/sdb')],
    ['/dev/sdb:/dev/xvda', node('/dev/sdb', '/dev/xvda')],
    ['/dev/sdb:/dev/xvda:rw', node('/dev/sdb', '/dev/xvda', 'rw')],
    ['/dev/net/tun:rwm', node('/dev/net/tun', '', 'rwm')],
  ])('%s is a node', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each([
    ['vfio:0000:01:00.0', { device: '0000:01:00.0', mode: VfioMode.VFIO_MODE_UNSPECIFIED }],
    ['vfio:01:00.0,mode=guest-kernel', { device: '01:00.0', mode: VfioMode.VFIO_MODE_GUEST_KERNEL }],
    ['/dev/vfio/16', { device: '/dev/vfio/16', mode: VfioMode.VFIO_MODE_UNSPECIFIED }],
  ])('%s is a PCI device of the host', (text, value) => {
    expect(read(text)).toEqual({ containerPath: '', permissions: '', kind: { $case: 'vfio', value } });
  });

  it('takes a disk with what is said of it, and where it is to be', () => {
    expect(read('block:a.img,target=/dev/data,permissions=r,serial=s')).toMatchObject({ containerPath: '/dev/data', permissions: 'r', kind: { $case: 'block', value: { path: '/here/a.img', serial: 's' } } });
    expect(read('block:a.img')).toMatchObject({ containerPath: '', permissions: '' });
    expect(read('block:a.img,ro')).toMatchObject({ permissions: 'r' });
  });

  it.each([
    ['vfio:', 'names no device'],
    ['vfio:01:00.0,mode=host', 'mode: there is no "host"'],
    ['vfio:01:00.0,ro', 'a vfio device has no "ro"'],
    ['vfio-ap:06.0032', 'needs a driver for VFIO devices of s390x'],
    ['vendor.com/net=nic0', 'needs a reader of CDI specifications'],
    ['nvidia.com/gpu=all', 'needs a reader of CDI specifications'],
    ['sdb', 'is no device'],
    ['block:', 'is no device'],
    ['/dev/a:/b:/c', 'is no device'],
    ['/dev/a:', 'is no device'],
    ['block:x,size=1', 'a block device has no "size"'],
  ])('%s is refused in words', (text, words) => {
    expect(() => read(text)).toThrow(words);
  });
});
