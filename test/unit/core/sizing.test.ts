import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vmSize } from '../../../src/core/machine/sizing.ts';
import { profile } from '../../fakes/records.ts';

const MIB = 1024 * 1024;

describe('vmSize', () => {
  it('takes the profile where nothing is asked for', () => {
    expect(vmSize(profile(), { cpus: 0, memoryBytes: 0 })).toEqual({ cpus: 1, maxCpus: 1, memoryBytes: 256 * MIB });
  });

  it('adds the overhead to a limit and rounds CPUs up', () => {
    expect(vmSize(profile(), { cpus: 1.5, memoryBytes: 512 * MIB })).toEqual({ cpus: 2, maxCpus: 2, memoryBytes: 576 * MIB });
  });

  it('always carries the limit, in whole MiB', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 64, noNaN: true }), fc.integer({ min: 1, max: 2 ** 40 }), (cpus, memoryBytes) => {
        const size = vmSize(profile(), { cpus, memoryBytes });
        return size.cpus >= cpus && size.maxCpus >= size.cpus && size.memoryBytes >= memoryBytes && size.memoryBytes % MIB === 0;
      }),
    );
  });
});
