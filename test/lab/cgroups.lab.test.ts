import { beforeAll, describe, expect, it } from 'vitest';
import { inTheLab, type LabReport } from './in-the-lab.ts';

/** Control groups of version 2 with the rights that systemd gives by Delegate=, in a VM of its own. */
describe("a sandbox's control group of version 2", () => {
  let lab: LabReport;

  beforeAll(async () => { lab = await inTheLab('cgroups.sh'); });

  it('is below a unit that systemd gave away, with its VMM and nothing else in it', () => {
    expect(lab.fact('delegated')).toBe('yes active');
    expect(lab.fact('group')).toMatch(/^\/vivarium\.slice\/vivarium-sandboxes\.service\/vivarium\/[0-9a-f]{4}\/[0-9a-f]{10}$/);
    expect(lab.fact('members')).toBe(lab.fact('vmm'));
  });

  it('has the controllers that limits need, and counts', () => {
    expect(lab.fact('handed_down')).toBe('cpu memory pids');
    expect(lab.fact('controllers')).toBe('cpu memory pids');
    expect(lab.number('memory')).toBeGreaterThan(0);
  });

  it('limits processes', () => {
    expect(lab.fact('pids_refusal')).toBe('EAGAIN');
    expect(lab.number('pids_counted')).toBeGreaterThan(0);
  });

  it('limits the processor', () => {
    expect(lab.number('cpu_throttled')).toBeGreaterThan(0);
    expect(lab.number('cpu_percent')).toBeLessThan(40);
  });

  it('keeps its limits and its VM over a restart of the daemon and of systemd itself', () => {
    expect(lab.fact('limits_after')).toBe(`${lab.fact('pids_limit')} 20000 100000`);
    expect(lab.fact('vmm_after')).toBe(lab.fact('vmm'));
    expect(lab.fact('audit'), lab.text).toBe('0');
  });

  it('tells a VMM that the kernel killed for want of memory', () => {
    expect(lab.facts('oom_gone', 'oom_wait', 'oom_cause', 'oom_sandbox_cause'), lab.text).toEqual(['0', '255', 'CAUSE_HOST_OOM_KILL', 'CAUSE_HOST_OOM_KILL']);
    expect(lab.fact('oom_group'), 'it goes with its VM').toBe('');
  });

  it('tells the next daemon of one that was killed while there was none', () => {
    expect(lab.number('away_kills')).toBeGreaterThan(0);
    expect(lab.facts('away_wait', 'away_cause'), lab.text).toEqual(['255', 'CAUSE_HOST_OOM_KILL']);
  });

  it('leaves nothing behind', () => {
    expect(lab.facts('audit_after', 'left'), lab.text).toEqual(['0', '']);
  });
});
