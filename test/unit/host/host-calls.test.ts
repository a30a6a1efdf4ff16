import { beforeEach, describe, expect, it } from 'vitest';
import { HostCalls } from '../../../src/host/host-calls.ts';
import { ManualClock, settle } from '../../fakes/manual-clock.ts';
import { MemoryStream } from '../../fakes/memory-stream.ts';

const HELLO = '{"hello":"viv-launcher","version":1}\n';
const ok = (id: number): string => `{"id":${id},"answer":{"ok":true}}\n`;

let lives: MemoryStream[];
let clock: ManualClock;
let helper: HostCalls;

beforeEach(() => {
  lives = [];
  clock = new ManualClock();
  helper = new HostCalls({
    clock,
    start: () => {
      const stream = new MemoryStream();
      stream.feed(HELLO);
      lives.push(stream);
      return stream;
    },
  });
});

function requests(life: MemoryStream | undefined): readonly Readonly<Record<string, unknown>>[] {
  return (life?.written ?? '').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('requests', () => {
  it('are answered in any order by one process', async () => {
    const mount = helper.mount([{ source: '/a', target: '/b', flags: ['bind'] }, { target: '/b', fsType: 'overlay', data: 'x' }]);
    const unmount = helper.unmount(['/c', '/d']);
    lives[0]?.feed(`{"id":2,"answer":{"error":{"code":"unmount","errno":"EBUSY","path":"/d","message":"Device or resource busy"}}}\n${ok(1)}`);
    expect(await mount).toBeUndefined();
    expect(await unmount).toEqual({ errno: 'EBUSY', path: '/d', message: 'Device or resource busy' });
    expect(lives).toHaveLength(1);
    expect(requests(lives[0])).toEqual([
      { id: 1, cmd: 'mount', mounts: [{ source: '/a', target: '/b', flags: ['bind'] }, { target: '/b', fstype: 'overlay', data: 'x' }] },
      { id: 2, cmd: 'unmount', targets: ['/c', '/d'] },
    ]);
    expect(clock.pending).toBe(0);
  });

  it('a launch is answered with the launcher\'s line, refusals too', async () => {
    const launch = helper.launch('/run/x', { name: 'vmm' });
    lives[0]?.feed('{"id":1,"answer":{"error":{"code":"exec","message":"none"}}}\n');
    expect(await launch).toEqual({ error: { code: 'exec', message: 'none' } });
    expect(requests(lives[0])).toEqual([{ id: 1, cmd: 'launch', dir: '/run/x', spec: { name: 'vmm' } }]);
  });

  it('what no system call refused is an error', async () => {
    const mount = helper.mount([{ target: '/b' }]);
    lives[0]?.feed('{"id":1,"answer":{"error":{"code":"worker","errno":"","path":"","message":"the worker was ended by signal 9"}}}\n');
    await expect(mount).rejects.toMatchObject({ reason: 'HOST_RESOURCE', details: { facts: { launcher: 'worker' } } });
  });
});

describe('giving up', () => {
  it('at the deadline cancels the request and waits for that, but not for ever', async () => {
    const mount = expect(helper.mount([{ target: '/b' }])).rejects.toMatchObject({ reason: 'DEADLINE' });
    await clock.advance(10_000);
    expect(requests(lives[0])[1]).toEqual({ cancel: 1 });
    await clock.advance(1_000);
    await mount;
    expect(clock.pending).toBe(0);
  });

  it('at the caller\'s word rejects with its reason once the worker is gone', async () => {
    const source = new AbortController();
    const mount = helper.mount([{ target: '/b' }], { signal: source.signal });
    source.abort(new Error('caller left'));
    lives[0]?.feed('{"id":1,"answer":{"error":{"code":"worker","message":"killed"}}}\n');
    await expect(mount).rejects.toThrow('caller left');
    await settle();
    expect(clock.pending).toBe(0);
  });

  it('before it began asks for nothing', async () => {
    await expect(helper.mount([{ target: '/b' }], { signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow('left');
    expect(lives).toHaveLength(0);
  });
});

describe('a helper that dies', () => {
  it('is started again; what may be done twice is asked again, a mount is not', async () => {
    const [mount, unmount] = [expect(helper.mount([{ target: '/b' }])).rejects.toMatchObject({ reason: 'HOST_RESOURCE' }), helper.unmount(['/b'])];
    lives[0]?.end(new Error('viv-launcher serve ended (SIGKILL)'));
    await mount;
    await settle();
    lives[1]?.feed(ok(1));
    expect(await unmount).toBeUndefined();
    expect(lives).toHaveLength(2);
  });

  it('again and again is an error', async () => {
    const unmount = expect(helper.unmount(['/b'])).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    lives[0]?.end();
    await settle();
    lives[1]?.end();
    await unmount;
    expect(lives).toHaveLength(2);
  });

  it.each([
    ['is of another version', '{"hello":"viv-launcher","version":2}\n', /does not serve version 1/],
    ['knows no serve', '{"error":{"code":"bad_spec","message":"serve: No such file"}}\n', /does not serve version 1/],
    ['says no JSON', 'what?\n', /not JSON/],
    ['says too much', 'x'.repeat(300_000), /longer than/],
  ])('one that %s is told by its words', async (_case, said, message) => {
    const stream = new MemoryStream();
    stream.feed(said);
    const broken = new HostCalls({ clock, start: () => stream });
    await expect(broken.mount([{ target: '/b' }])).rejects.toThrow(message);
  });
});

it('closed, it refuses what waits and what comes', async () => {
  const unmount = expect(helper.unmount(['/b'])).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
  helper.close();
  await unmount;
  await expect(helper.unmount(['/b'])).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
  expect(lives[0]?.closed).toBe(true);
});
