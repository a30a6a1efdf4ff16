import { describe, expect, it } from 'vitest';
import { besideTheService, ServiceNotifier, takeServiceManager } from '../../../src/host/service-manager.ts';
import { ManualClock, settle } from '../../fakes/manual-clock.ts';
import { MemoryLogger } from '../../fakes/memory-logger.ts';

const MANAGER = { socket: '/run/systemd/notify', watchdogMs: 30_000 };

function notifier(send: (state: string) => Promise<void>): { clock: ManualClock; logger: MemoryLogger; notifier: ServiceNotifier } {
  const [clock, logger] = [new ManualClock(), new MemoryLogger()];
  return { clock, logger, notifier: new ServiceNotifier({ manager: MANAGER, clock, logger, pid: 7, send: async (_, __, state) => send(state) }) };
}

describe('a service manager', () => {
  it('is found in the environment and taken out of it', () => {
    const env: Record<string, string> = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7', PATH: '/bin' };
    expect(takeServiceManager(env, 7)).toEqual(MANAGER);
    expect(env).toEqual({ PATH: '/bin' });
  });

  it.each([
    [{}, undefined],
    [{ NOTIFY_SOCKET: 'vsock:2:1' }, undefined],
    [{ NOTIFY_SOCKET: '@name' }, { socket: '@name', watchdogMs: 0 }],
    [{ NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '5000000', WATCHDOG_PID: '8' }, { socket: '/n', watchdogMs: 0 }],
    [{ NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '5000000' }, { socket: '/n', watchdogMs: 5000 }],
  ])('of %j is %j', (env: Record<string, string>, expected) => {
    expect(takeServiceManager({ ...env }, 7)).toEqual(expected);
  });

  it('gives launches a scope beside the service, and nothing changes where there is none', () => {
    expect(besideTheService(undefined)).toEqual([]);
    const command = besideTheService(MANAGER);
    expect(command.slice(0, 4)).toEqual(['systemd-run', '--quiet', '--scope', '--slice=vivarium.slice']);
    expect(command.at(-1)).toBe('--');
  });

  it('hears READY, then the watchdog twice in its time until the end, and STOPPING', async () => {
    const said: string[] = [];
    const { clock, notifier: daemon } = notifier(async (state) => { said.push(state.split('\n')[0] ?? ''); });
    await daemon.ready();
    for (let turn = 0; turn < 2; turn += 1) {
      await clock.advance(15_000);
      await settle();
    }
    await daemon.stopping();
    daemon.stop();
    await clock.advance(60_000);
    await settle();
    expect(said).toEqual(['READY=1', 'WATCHDOG=1', 'WATCHDOG=1', 'STOPPING=1']);
    expect(clock.pending).toBe(0);
  });

  it('that can not be told is logged, and the daemon goes on', async () => {
    const { logger, notifier: daemon } = notifier(async () => { throw new Error('ENOENT'); });
    await daemon.ready();
    daemon.stop();
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn']);
  });
});
