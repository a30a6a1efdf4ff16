import { describe, expect, it } from 'vitest';
import type { GuestBuildEvent, GuestBuildSpec } from '../../../src/daemon/services/facade.ts';
import { GuestBuilds } from '../../../src/daemon/services/guest-operations.ts';
import type { LineProcess } from '../../../src/daemon/services/guest-operations.ts';

const LISTING = JSON.stringify([
  { name: 'net', kernelRelease: '6.1.0-35', agentVersion: null, vmlinuxBytes: 5, initramfsBytes: 7, digest: 'sha256:ab', builtAt: '2026-01-01T00:00:00.000Z' },
  { name: 'torn', error: 'not JSON' },
]);

const SPEC: GuestBuildSpec = { name: 'net', kernel: 'linux-image-amd64', modules: ['ixgbe allow_unsupported_sfp=1'], packages: ['ethtool'], files: [{ source: '/a', destination: '/b', mode: 0o55 }, { source: '/c', destination: '/d', mode: 0 }], init: '' };

function builds(lines: readonly string[], end: { code: number; stderrTail: string } = { code: 0, stderrTail: '' }): { guests: GuestBuilds; started: string[][] } {
  const started: string[][] = [];
  const start = (command: string, args: readonly string[]): LineProcess => {
    started.push([command, ...args]);
    return { lines: (async function* () { yield* lines; })(), exit: Promise.resolve(end) };
  };
  const runner = { run: async () => ({ code: 0, stdout: LISTING, stderr: '' }) };
  return { guests: new GuestBuilds({ start, runner, node: 'node', builder: '/dist/guest-build.js', guestDir: '/guests', cwd: '/' }), started };
}

async function all(events: AsyncIterable<GuestBuildEvent>): Promise<GuestBuildEvent[]> {
  const list: GuestBuildEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

describe('building a guest', () => {
  it('passes on how far it is, and ends with the guest', async () => {
    const { guests, started } = builds(['{"step":"kernel","detail":"linux","done":1,"total":2}', '{"note":"hello"}', 'W: apt says', '{"step":"done","changed":false}']);
    expect(await all(guests.build(SPEC, { requestId: '' }))).toEqual([
      { kind: 'progress', step: 'kernel', detail: 'linux', done: 1, total: 2 },
      { kind: 'progress', step: 'note', detail: 'hello', done: 0, total: 0 },
      { kind: 'progress', step: 'note', detail: 'W: apt says', done: 0, total: 0 },
      { kind: 'result', upToDate: true, guest: { name: 'net', directory: '/guests/net', digest: 'sha256:ab', kernelVersion: '6.1.0-35', agentVersion: '', kernelBytes: 5, initramfsBytes: 7, builtAtMs: Date.UTC(2026, 0, 1) } },
    ]);
    expect(started[0]).toEqual([
      'node', '/dist/guest-build.js', 'build', 'net', '--out', '/guests', '--progress', 'json', '--kernel', 'linux-image-amd64', '--module', 'ixgbe allow_unsupported_sfp=1', '--package', 'ethtool', '--file', '/a:/b:055', '--file', '/c:/d',
    ]);
  });

  it('fails with the builder\'s words and remedy', async () => {
    const { guests } = builds(['{"error":{"code":"package","message":"no package x","remedy":"apt-get update"}}'], { code: 1, stderrTail: '' });
    await expect(all(guests.build(SPEC, { requestId: '' }))).rejects.toMatchObject({ reason: 'GUEST_BUILD_FAILED', message: 'guest net was not built: no package x', details: { remedy: 'apt-get update', facts: { exit_code: '1' } } });
  });

  it('fails when the builder can\'t be started or says nothing', async () => {
    await expect(all(builds([], { code: -1, stderrTail: 'spawn node ENOENT' }).guests.build(SPEC, { requestId: '' }))).rejects.toMatchObject({ message: 'guest net was not built: spawn node ENOENT' });
    await expect(all(builds([], { code: 0, stderrTail: '' }).guests.build(SPEC, { requestId: '' }))).rejects.toMatchObject({ reason: 'GUEST_BUILD_FAILED' });
  });

  it('ends with the caller\'s reason when it went away', async () => {
    const abort = new AbortController();
    abort.abort(new Error('gone'));
    await expect(all(builds([], { code: 130, stderrTail: '' }).guests.build(SPEC, { requestId: '', signal: abort.signal }))).rejects.toThrow('gone');
  });

  it('lists what can be read', async () => {
    expect((await builds([]).guests.list()).map(({ name }) => name)).toEqual(['net']);
  });
});
