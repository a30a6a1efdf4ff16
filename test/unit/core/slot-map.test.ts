import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_PORTS, placeOf, portAddress, SlotMap } from '../../../src/core/machine/slot-map.ts';

describe('the slot map', () => {
  it('gives away the lowest free slot, and says the limit when there is none', () => {
    const one = SlotMap.empty(2).allocate('a');
    const two = one.map.allocate('b');
    expect([one.slot, two.slot, two.map.free]).toEqual([0, 1, 0]);
    expect(() => two.map.allocate('c')).toThrow(expect.objectContaining({ reason: 'CAPACITY_EXHAUSTED', message: 'all 2 ports of the VM are taken' }) as Error);
    expect(two.map.release(0).allocate('c').slot).toBe(0);
  });

  it('is rebuilt from what the record says, and keeps what only the VMM knows', () => {
    const map = SlotMap.rebuilt(4, [{ slot: 1, owner: 'a' }], [1, 3]);
    expect([map.ownerOf(1), map.ownerOf(3), map.free]).toEqual(['a', '', 2]);
    expect(map.allocate('b').slot).toBe(0);
  });

  it('refuses two owners of one slot, and slots that there are not', () => {
    expect(() => SlotMap.rebuilt(4, [{ slot: 1, owner: 'a' }, { slot: 1, owner: 'b' }])).toThrow('port 1 is held by "a" and by "b"');
    expect(() => SlotMap.empty(4).reserve(4, 'a')).toThrow('the VM has no port 4; it has 4');
    expect(SlotMap.empty(1000).ports).toBe(MOST_PORTS);
  });

  it('never gives one slot to two, whatever is allocated and released', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: MOST_PORTS }), fc.array(fc.integer({ min: -1, max: MOST_PORTS - 1 })), (ports, script) => {
      let map = SlotMap.empty(ports);
      const held = new Set<number>();
      for (const [index, release] of script.entries()) {
        if (release >= 0 || map.free === 0) {
          map = map.release(release);
          held.delete(release);
        } else {
          const { map: next, slot } = map.allocate(String(index));
          expect(held.has(slot)).toBe(false);
          held.add(slot);
          map = next;
        }
        expect(map.free).toBe(ports - held.size);
      }
    }));
  });

  it('puts every port at an address of its own', () => {
    expect([portAddress(0), portAddress(7), portAddress(8), portAddress(31), placeOf(10)]).toEqual(['10.0', '10.7', '11.0', '13.7', '11.2/00.0']);
    expect(new Set(Array.from({ length: MOST_PORTS }, (_, port) => portAddress(port))).size).toBe(MOST_PORTS);
  });
});
