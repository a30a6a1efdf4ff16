import { describe, expect, it } from 'vitest';
import { containerSpecToWire } from '../../../../src/daemon/api/convert-container.ts';
import { parseCreateContainer } from '../../../../src/daemon/api/validate-container.ts';
import type { ContainerDevice } from '../../../../src/gen/vivarium/v1/container.ts';
import { CreateContainerRequest } from '../../../../src/gen/vivarium/v1/container.ts';
import { violationsOf } from './field-violations.ts';

const node = (path: string, more: Partial<ContainerDevice> = {}): Partial<ContainerDevice> => ({ kind: { $case: 'node', value: { path } }, ...more });
const create = (devices: readonly Partial<ContainerDevice>[]): CreateContainerRequest => CreateContainerRequest.fromPartial({ sandboxId: 'sb', spec: { rootfs: { $case: 'image', value: 'busybox' }, devices: devices.map((device) => ({ ...device })) } });

describe('the devices of a container', () => {
  it('are nodes and disks, with all permissions unless some are said', () => {
    const { spec } = parseCreateContainer(create([node('/dev//null'), { containerPath: '/dev/data', permissions: 'r', kind: { $case: 'block', value: { path: '/d.img', format: 0, readOnly: true, bus: 0, aio: 0, cache: 0, discard: false, serial: '', logicalBlockBytes: 0, physicalBlockBytes: 0 } } }]));
    expect(spec.devices).toMatchObject([
      { containerPath: '', permissions: 'rwm', what: { kind: 'node', path: '/dev/null' } },
      { containerPath: '/dev/data', permissions: 'r', what: { kind: 'block', path: '/d.img', readOnly: true, bus: 'virtio-blk' } },
    ]);
    expect(containerSpecToWire(spec).devices).toMatchObject([{ permissions: 'rwm', kind: { $case: 'node', value: { path: '/dev/null' } } }, { containerPath: '/dev/data', kind: { $case: 'block', value: { path: '/d.img', readOnly: true } } }]);
  });

  it('are told all that is wrong with them at once', () => {
    const wrong = create([node('/etc/passwd'), node('/dev/a', { permissions: 'rr' }), node('/dev/b', { containerPath: '/dev/a' }), node('/dev/../etc'), {}, { containerPath: 'x', kind: { $case: 'block', value: { path: 'rel', format: 0, readOnly: false, bus: 0, aio: 0, cache: 0, discard: false, serial: '', logicalBlockBytes: 0, physicalBlockBytes: 0 } } }]);
    expect(violationsOf(() => parseCreateContainer(wrong))).toMatchObject({
      'spec.devices[0].node.path': 'must be below /dev',
      'spec.devices[1].permissions': 'must be some of r, w and m, each once',
      'spec.devices[2].container_path': 'is the same as that of devices[1]',
      'spec.devices[3].node.path': 'must be below /dev',
      'spec.devices[4].kind': 'one of node, block, vfio and vhost_user_blk is required',
      'spec.devices[5].block.path': expect.any(String) as string,
      'spec.devices[5].container_path': expect.any(String) as string,
    });
  });
});
