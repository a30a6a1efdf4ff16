import { describe, expect, it } from 'vitest';
import { HookRunner } from '../../../src/storage/hooks.ts';
import { hostHooks } from '../../../src/storage/oci/hook-order.ts';
import { ScriptedRunner } from '../../fakes/scripted-runner.ts';

const STATE = { id: 'c1', status: 'created', pid: 42, bundle: '/b', annotations: {} } as const;
const hook = (path: string, timeout?: number): { path: string; args: string[]; env: string[]; timeout?: number } => ({ path, args: [path, '-x'], env: ['A=1=2'], ...(timeout === undefined ? {} : { timeout }) });

describe('hooks of a bundle', () => {
  it('run at their moments', () => {
    const config = { hooks: { prestart: [{ path: '/p' }], createRuntime: [{ path: '/c' }], poststart: [{ path: '/s' }], poststop: [{ path: '/d' }] } };
    const found = hostHooks(config);
    expect(Object.values(found).map((list: readonly { path: string }[]) => list.map((item) => item.path))).toEqual([['/p', '/c'], ['/s'], ['/d']]);
  });

  it('are none where the bundle has none', () => {
    expect(hostHooks({})).toEqual({ beforeStart: [], afterStart: [], afterDelete: [] });
  });

  it('that can not be run are refused by name', () => {
    expect(() => hostHooks({ hooks: { prestart: [{ path: 'p' }], poststop: [{ path: '/p', timeout: 0 }] } })).toThrow(/hooks\.prestart\[0\]\.path.*hooks\.poststop\[0\]\.timeout/);
    for (const moment of ['createContainer', 'startContainer']) {
      expect(() => hostHooks({ hooks: { [moment]: [{ path: '/p' }] } })).toThrow(expect.objectContaining({ reason: 'UNSUPPORTED' }) as Error);
    }
  });
});

describe('a hook', () => {
  it('gets its arguments, its variables, its time and the state', async () => {
    const runner = new ScriptedRunner({}, {});
    await new HookRunner(runner).run([hook('/a', 2), hook('/b')], STATE);
    expect(runner.calls.map((call) => [call.command, call.args, call.options.env, call.options.timeoutMs])).toEqual([['/a', ['-x'], { A: '1=2' }, 2_000], ['/b', ['-x'], { A: '1=2' }, 30_000]]);
    expect(JSON.parse(runner.calls[0]?.options.input ?? '')).toEqual({ ociVersion: '1.0.2', ...STATE });
  });

  it('that fails stops those after it and is named with its words', async () => {
    const runner = new ScriptedRunner({ code: 3, stderr: 'no\n' });
    await expect(new HookRunner(runner).run([hook('/a'), hook('/b')], STATE)).rejects.toMatchObject({ reason: 'PROCESS_START_FAILED', message: 'hook /a failed: exit code 3: no' });
    expect(runner.calls).toHaveLength(1);
  });

  it('that can not be started or takes too long is named too', async () => {
    const runner = new ScriptedRunner(new Error('took longer than 30 s'));
    await expect(new HookRunner(runner).run([hook('/a')], STATE)).rejects.toMatchObject({ reason: 'PROCESS_START_FAILED', details: { facts: { hook: '/a' } } });
  });
});
