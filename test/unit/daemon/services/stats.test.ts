import { describe, expect, it } from 'vitest';
import { readGuestMetrics } from '../../../../src/daemon/services/stats.ts';

describe('readGuestMetrics', () => {
  it('reads our agent\'s figures, idle time left out', () => {
    const text = [
      '# TYPE vivarium_guest_load1 gauge',
      'vivarium_guest_load1 0.25',
      'vivarium_guest_memory_bytes{kind="total"} 1000',
      'vivarium_guest_memory_bytes{kind="available"} 400',
      'vivarium_guest_cpu_seconds_total{mode="user"} 1.5',
      'vivarium_guest_cpu_seconds_total{mode="system"} 0.5',
      'vivarium_guest_cpu_seconds_total{mode="idle"} 100',
    ].join('\n');
    expect(readGuestMetrics(text)).toEqual({ memoryTotal: 1000, memoryUsed: 600, load1: 0.25, cpuMs: 2000 });
  });

  it('reads an official agent\'s figures', () => {
    const text = ['kata_guest_meminfo{item="mem_total"} 1000', 'kata_guest_meminfo{item="mem_available"} 900', 'kata_guest_load{item="load1"} 1', 'kata_guest_cpu_time{cpu="total",item="user"} 7', 'kata_guest_cpu_time{cpu="total",item="idle"} 70'].join('\n');
    expect(readGuestMetrics(text)).toEqual({ memoryTotal: 1000, memoryUsed: 100, load1: 1, cpuMs: 7 });
  });

  it('takes a guest that says nothing as having nothing to say', () => {
    expect(readGuestMetrics('')).toEqual({ memoryTotal: 0, memoryUsed: 0, load1: 0, cpuMs: 0 });
  });
});
