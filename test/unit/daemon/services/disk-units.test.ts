import { describe, expect, it } from 'vitest';
import { DiskUnits } from '../../../../src/daemon/services/disk-units.ts';
import { containerRecord, sandboxRecord } from '../../../fakes/records.ts';

const IMAGE = '/images/a/rootfs.erofs';

function recorded(id: string, image: number, own: number, path = IMAGE) {
  return containerRecord({ id, rootfs: { kind: 'block', reason: '', disks: { image: { unit: image, path }, own: { unit: own, path: `/${id}` } } } });
}

describe('numbers of disks', () => {
  it('are one for an image, whoever has it, and one for each container', () => {
    const units = new DiskUnits();
    const none = sandboxRecord();
    expect(units.promise(none, 'a', { image: IMAGE, own: '/a' })).toMatchObject({ image: { unit: 0 }, own: { unit: 1, path: '/a' } });
    // Nothing is on record yet.
    expect(units.promise(none, 'b', { image: IMAGE, own: '/b' })).toMatchObject({ image: { unit: 0 }, own: { unit: 2 } });
    expect(units.promise(none, 'c', { image: '/other', own: '/c' })).toMatchObject({ image: { unit: 3 }, own: { unit: 4 } });
  });

  it('are those of the records in a daemon that comes back', () => {
    const record = sandboxRecord({ containers: [recorded('a', 0, 1), recorded('b', 0, 5)] });
    expect(new DiskUnits().promise(record, 'c', { image: IMAGE, own: '/c' })).toMatchObject({ image: { unit: 0 }, own: { unit: 2 } });
  });

  it('are not used again at once', () => {
    const units = new DiskUnits();
    units.promise(sandboxRecord(), 'a', { image: IMAGE, own: '/a' });
    units.settled('a');
    expect(units.promise(sandboxRecord(), 'b', { image: IMAGE, own: '/b' })).toMatchObject({ image: { unit: 2 }, own: { unit: 3 } });
  });

  it('of an image are free with its last container', () => {
    const units = new DiskUnits();
    const [a, b] = [recorded('a', 0, 1), recorded('b', 0, 2)];
    expect(units.isLast(sandboxRecord({ containers: [a, b] }), 'a', a.rootfs.disks!)).toBe(false);
    expect(units.isLast(sandboxRecord({ containers: [a] }), 'a', a.rootfs.disks!)).toBe(true);
    units.promise(sandboxRecord({ containers: [a] }), 'c', { image: IMAGE, own: '/c' });
    expect(units.isLast(sandboxRecord({ containers: [a] }), 'a', a.rootfs.disks!)).toBe(false);
  });

  it('end: the error says how many there are', () => {
    const containers = Array.from({ length: 255 }, (_, index) => recorded(`c${index}`, 0, index + 1));
    expect(() => new DiskUnits().promise(sandboxRecord({ containers }), 'x', { image: IMAGE, own: '/x' })).toThrow(expect.objectContaining({ reason: 'CAPACITY_EXHAUSTED', details: expect.objectContaining({ facts: { limit: '256' } }) as object }));
  });
});
