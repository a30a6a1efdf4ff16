import { describe, expect, it } from 'vitest';
import { ownNodes } from '../../../../src/storage/oci/own-nodes.ts';

describe('the nodes of a container', () => {
  it('have rules that the guest finds by the numbers that stand in for its own', () => {
    const { devices, rules } = ownNodes([
      { place: '10.0/00.0', vmPath: '/dev/vda', containerPath: '/dev/data', permissions: 'r' },
      { place: '', vmPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'rwm' },
    ]);
    expect(devices.map(({ path, type, major, minor }) => [path, type, major, minor])).toEqual([['/dev/data', 'b', 0, 0], ['/dev/fuse', 'c', 0, 1]]);
    expect(rules).toEqual([{ allow: true, type: 'b', major: 0, minor: 0, access: 'r' }, { allow: true, type: 'c', major: 0, minor: 1, access: 'rwm' }]);
  });
});
