import { beforeAll, describe, expect, it } from 'vitest';
import { inTheLab, type LabReport } from './in-the-lab.ts';

/** vivd as a service of a real systemd 252, version 2 control groups, in a VM of its own. */
describe('vivd under systemd', () => {
  let lab: LabReport;
  const fact = (name: string): string | undefined => lab.fact(name);
  const number = (name: string): number => lab.number(name);

  beforeAll(async () => { lab = await inTheLab('systemd.sh'); });

  it('is told as started once it serves', () => {
    expect([fact('start'), fact('status')]).toEqual(['0', 'serving']);
    expect(fact('verify'), 'systemd-analyze has nothing to say of our units').toBe('0');
  });

  it('has its VMs beside the service: nothing but the daemon is below it', () => {
    expect(fact('service_group')).toBe(fact('service_main'));
    expect(fact('launcher_group')).toMatch(/^\/vivarium\.slice\/run-.*\.scope$/);
    expect(fact('vmm_group')).toMatch(/^\/vivarium\.slice\/vivarium-sandboxes\.service\//);
  });

  it.each([1, 2])('restart %i of the service touches no VM', (round) => {
    expect([fact(`restart${round}`), fact(`restart${round}_changed`), fact(`restart${round}_vmm`)]).toEqual(['0', 'yes', fact('vmm')]);
    expect(fact('restart_result')).toBe('success');
  });

  it('is started again after kill -9, and its VM is the same', () => {
    expect([fact('kill'), fact('kill_vmm'), fact('kill_restarts')]).toEqual(['0', fact('vmm'), '1']);
  });

  it('that hangs is ended by the watchdog and started again, and its VM is the same', () => {
    expect([fact('watchdog'), fact('watchdog_vmm'), fact('watchdog_restarts')]).toEqual(['0', fact('vmm'), '2']);
    expect(number('watchdog_told')).toBeGreaterThan(0);
  });

  it('never failed to enter its control group (219/CGROUP)', () => {
    expect(number('group_failures')).toBe(0);
  });

  it('takes an exec at once, though it may still be looking for its VMs', () => {
    expect([fact('exec_code'), fact('exec'), fact('exec_refused')], lab.text).toEqual(['0', 'hello', '']);
  });

  it('goes on with its container: every line of its output, an empty audit', () => {
    expect([fact('counted'), fact('audit')], lab.text).toEqual(['whole', '0']);
  });

  it('stopped, leaves its VM running; started, finds it; deleted, nothing is left', () => {
    expect([fact('stop'), fact('stop_vmm'), fact('start_again')]).toEqual(['0', fact('vmm'), '0']);
    expect([fact('rm'), fact('vmm_gone'), fact('scopes_gone')]).toEqual(['0', '0', '0']);
  });
});
