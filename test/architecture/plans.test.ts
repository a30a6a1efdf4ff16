import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONTAINER_TABLE } from '../../src/core/machine/container-machine.ts';
import { DEVICE_TABLE } from '../../src/core/machine/device-machine.ts';
import { PLANS } from '../../src/core/machine/plans.ts';
import { SANDBOX_TABLE } from '../../src/core/machine/sandbox-machine.ts';

const SERVICES = join(import.meta.dirname, '../../src/daemon/services');

/** Parts of a call that make nothing outside the daemon, so that no fault of theirs leaves anything behind. */
const TIMED_WITHOUT_A_STEP = new Set(['admission', 'intent', 'prepare', 'containers']);

/** Asked for and answered without a record of its own. */
const NEVER_RECORDED = new Set(['container:exec-requested']);

describe('the plans', () => {
  it('know every record that a machine can ask for', () => {
    const planned = new Set<string>(Object.values(PLANS).flatMap((plan) => [...plan.records, ...plan.failures]));
    const possible = [...Object.keys(SANDBOX_TABLE.creating).map((kind) => `sandbox:${kind}`), ...Object.keys(CONTAINER_TABLE.creating).map((kind) => `container:${kind}`), ...Object.keys(DEVICE_TABLE.attaching).map((kind) => `device:${kind}`)];
    expect(possible.length).toBeGreaterThan(30);
    expect(possible.filter((record) => !planned.has(record) && !NEVER_RECORDED.has(record))).toEqual([]);
  });

  it('are the only way to take a step: nothing else is timed as one', () => {
    const timed = readdirSync(SERVICES).flatMap((file) => [...readFileSync(join(SERVICES, file), 'utf8').matchAll(/\.time\((?:'([^']*)'|(\w+))/g)].map((match) => ({ file, name: match[1] ?? match[2] ?? '' })));
    expect(timed.length).toBeGreaterThan(3);
    expect(timed.filter(({ file, name }) => file !== 'plan-run.ts' && !TIMED_WITHOUT_A_STEP.has(name))).toEqual([]);
  });

  it('have each of their steps taken by some run', () => {
    const source = readdirSync(SERVICES).map((file) => readFileSync(join(SERVICES, file), 'utf8')).join('\n');
    const taken = new Set([...source.matchAll(/\.step\('([^']+)'/g)].map((match) => match[1]));
    const steps = Object.entries(PLANS).filter(([plan]) => plan !== 'create' && plan !== 'boot').flatMap(([, plan]) => [...plan.steps]);
    expect(steps.filter((step) => !taken.has(step))).toEqual([]);
  });
});
