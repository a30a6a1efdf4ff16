import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../..');

/** Runs a script in the lab: what it says of itself, and all that was said. */
async function inTheLab(script: string): Promise<{ readonly facts: ReadonlyMap<string, string>; readonly text: string }> {
  const child = spawn(join(ROOT, 'scripts/lab.sh'), [join(HERE, script)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString(); });
  await once(child, 'close');
  const lines = [...text.matchAll(/^FACT (\S+) (.*)$/gm)];
  return { facts: new Map(lines.map(([, name = '', value = '']) => [name, value.trim()])), text };
}

/** vivd as a service of a real systemd 252, version 2 control groups, in a VM of its own. */
describe('vivd under systemd', () => {
  let facts: ReadonlyMap<string, string>;
  let text = '';
  const fact = (name: string): string | undefined => facts.get(name);
  const number = (name: string): number => Number(facts.get(name) ?? 'NaN');

  beforeAll(async () => {
    ({ facts, text } = await inTheLab('systemd.sh'));
    if (facts.get('scopes_gone') === undefined) throw new Error(`the lab did not come to its end:\n${text}`);
  });

  it('is told as started once it serves', () => {
    expect([fact('start'), fact('status')]).toEqual(['0', 'serving']);
    expect(fact('verify'), 'systemd-analyze has nothing to say of our units').toBe('0');
  });

  it('has its VMs beside the service: nothing but the daemon is below it', () => {
    expect(fact('service_group')).toBe(fact('service_main'));
    expect(fact('launcher_group')).toMatch(/^\/vivarium\.slice\/run-.*\.scope$/);
    expect(fact('vmm_group')).toMatch(/^\/vivarium(\/|\.slice\/)/);
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

  it('goes on with its container: exec, every line of its output, an empty audit', () => {
    expect([fact('exec_code'), fact('exec'), fact('counted'), fact('audit')], text).toEqual(['0', 'hello', 'whole', '0']);
  });

  it('stopped, leaves its VM running; started, finds it; deleted, nothing is left', () => {
    expect([fact('stop'), fact('stop_vmm'), fact('start_again')]).toEqual(['0', fact('vmm'), '0']);
    expect([fact('rm'), fact('vmm_gone'), fact('scopes_gone')]).toEqual(['0', '0', '0']);
  });
});
