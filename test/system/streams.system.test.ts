import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAKE_VMM, TestDaemon } from './daemon.ts';
import { connections, countedTo, killAndStart, LastingViv, sha256 } from './kept-streams.ts';

const MIB = 1024 * 1024;
const PROFILE = [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"'].join('\n');
/** What a user is told of a break that lasts. */
const AWAY = 'viv: lost the connection to the daemon; waiting for it to come back\nviv: connected to the daemon again\n';
const KILLS = [{ upMs: 700, awayMs: 0 }, { upMs: 500, awayMs: 100 }, { upMs: 600, awayMs: 3000 }];

describe('commands that run while the daemon is killed, on a fake VMM', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: { fake: PROFILE } });
    await daemon.must('sandbox', 'create', '--profile', 'fake', '--name', 'box');
    await daemon.must('run', '-d', '--sandbox', 'box', '--name', 'counting', 'busybox', '--', 'counter', '20');
    await daemon.must('run', '-d', '-i', '--sandbox', 'box', '--name', 'echoing', 'busybox', '--', 'cat');
  });
  afterAll(async () => { await daemon[Symbol.asyncDispose](); });

  it('go on in the same terminal without a byte lost or repeated, stdin included', async () => {
    const sent = randomBytes(5 * MIB);
    const exec = new LastingViv(daemon, 'exec', '-i', 'counting', 'cat');
    const attach = new LastingViv(daemon, 'attach', 'echoing');
    const spew = new LastingViv(daemon, 'exec', 'counting', 'spew', String(5 * MIB));
    const logs = new LastingViv(daemon, 'logs', '-f', 'counting');
    const watching = new LastingViv(daemon, 'attach', '--replay', '--no-stdin', 'counting');
    const stats = new LastingViv(daemon, 'stats', 'counting');
    const vmStats = new LastingViv(daemon, 'sandbox', 'stats', 'box');
    for (const echoing of [exec, attach]) echoing.child.stdin?.write(sent.subarray(0, 1));
    await Promise.all([exec, attach, spew, logs, watching, stats, vmStats].map(async (command) => { await command.until((text) => text !== ''); }));
    const fed = Promise.all([exec.feed(sent.subarray(1), 4000), attach.feed(sent.subarray(1), 4000)]);
    await killAndStart(daemon, KILLS);
    await fed;
    expect(await exec.outcome()).toEqual({ code: 0, bytes: sent.length, sha256: sha256(sent), stderr: AWAY });
    expect(await attach.outcome()).toEqual({ code: 0, bytes: sent.length, sha256: sha256(sent), stderr: AWAY });
    expect([await spew.end(), spew.stdout.length]).toEqual([0, 5 * MIB]);
    const seen = Math.max(countedTo(logs.text), countedTo(watching.text));
    for (const follower of [logs, watching]) {
      await follower.until((text) => countedTo(text) > seen + 20);
      expect(follower.text.startsWith('1\n2\n')).toBe(true);
      await follower.stop();
    }
    for (const table of [stats, vmStats]) {
      const before = table.text.length;
      await table.until((text) => text.length > before);
      await table.stop();
    }
  });

  it('tell an exit that came while the daemon was away, with its code', async () => {
    const commands = [
      new LastingViv(daemon, 'exec', 'counting', 'sh', '-c', 'sleep 2; exit 7'),
      new LastingViv(daemon, 'run', '--sandbox', 'box', '--name', 'brief', 'busybox', '--', 'sh', '-c', 'echo begun; sleep 2; echo done; exit 8'),
      new LastingViv(daemon, 'run', '--rm', '--profile', 'fake', 'busybox', '--', 'sh', '-c', 'echo begun; sleep 2; echo done; exit 9'),
    ];
    const [, brief, removed] = commands;
    await Promise.all([brief?.until((text) => text === 'begun\n'), removed?.until((text) => text === 'begun\n')]);
    const waiting = new LastingViv(daemon, 'wait', 'brief');
    const following = new LastingViv(daemon, 'logs', '-f', 'brief');
    await connections(daemon, 5);
    await following.until((text) => text === 'begun\n');
    await killAndStart(daemon, [{ upMs: 300, awayMs: 3000 }]);
    await Promise.all(commands.map(async (command) => await command.end()));
    expect(commands.map(({ child, stderr }) => ({ code: child.exitCode, stderr }))).toEqual([7, 8, 9].map((code) => ({ code, stderr: AWAY })));
    expect([brief?.text, removed?.text]).toEqual(['begun\ndone\n', 'begun\ndone\n']);
    expect([await waiting.end(), waiting.text]).toEqual([0, '8\n']);
    expect([await following.end(), following.text]).toEqual([0, 'begun\ndone\n']);
  });

  it('hear every event once, also one that came before the first', async () => {
    const watching = new LastingViv(daemon, 'events', '-o', 'json', '-f', 'type=container_exited');
    const ending = new LastingViv(daemon, 'sandbox', 'create', '--profile', 'fake', '--name', 'ending');
    await ending.end();
    const waiting = new LastingViv(daemon, 'sandbox', 'wait', 'ending');
    await connections(daemon, 2);
    for (const code of [1, 2, 3]) {
      await killAndStart(daemon, [{ upMs: 300, awayMs: 0 }]);
      await daemon.viv(['run', '--sandbox', 'box', 'busybox', '--', 'exit', String(code)]);
    }
    await watching.until((text) => text.split('\n').length > 3);
    expect(watching.text.trim().split('\n').map((line) => (JSON.parse(line) as { exitCode: number }).exitCode)).toEqual([1, 2, 3]);
    await watching.stop();
    await daemon.must('sandbox', 'stop', 'ending');
    expect([await waiting.end(), waiting.text, waiting.stderr]).toEqual([0, expect.stringMatching(/^stopped: operator stop/), expect.any(String)]);
  });

  it('are silent while the VM is paused, and go on when it is resumed', async () => {
    const sent = randomBytes(MIB);
    const exec = new LastingViv(daemon, 'exec', '-i', 'counting', 'cat');
    const logs = new LastingViv(daemon, 'logs', '-f', '-n', '1', 'counting');
    const fed = exec.feed(sent, 2000);
    await logs.until((text) => text.length > 20);
    await daemon.must('sandbox', 'pause', 'box');
    await killAndStart(daemon, [{ upMs: 300, awayMs: 0 }]);
    await daemon.must('sandbox', 'resume', 'box');
    await fed;
    expect(await exec.outcome()).toEqual({ code: 0, bytes: sent.length, sha256: sha256(sent), stderr: '' });
    const seen = countedTo(logs.text);
    await logs.until((text) => countedTo(text) > seen + 20);
    await logs.stop();
  });
});

describe('commands that run while the daemon is killed, on a real VM', () => {
  it('exec, attach and logs go on without a byte lost or repeated, in both directions', async () => {
    await using daemon = await TestDaemon.start();
    const sandbox = await daemon.must('sandbox', 'create');
    await daemon.must('run', '-d', '-i', '--sandbox', sandbox, '--name', 'echoing', 'busybox', '--', 'cat');
    await daemon.must('run', '-d', '--sandbox', sandbox, '--name', 'counting', 'busybox', '--', 'sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done');
    const sent = randomBytes(5 * MIB);
    const exec = new LastingViv(daemon, 'exec', '-i', 'counting', 'cat');
    const attach = new LastingViv(daemon, 'attach', 'echoing');
    const logs = new LastingViv(daemon, 'logs', '-f', 'counting');
    for (const echoing of [exec, attach]) echoing.child.stdin?.write(sent.subarray(0, 1));
    await Promise.all([exec, attach, logs].map(async (command) => { await command.until((text) => text !== ''); }));
    const fed = Promise.all([exec.feed(sent.subarray(1), 4000), attach.feed(sent.subarray(1), 4000)]);
    await killAndStart(daemon, KILLS);
    await fed;
    for (const echoing of [exec, attach]) expect(await echoing.outcome()).toMatchObject({ code: 0, bytes: sent.length, sha256: sha256(sent) });
    const seen = countedTo(logs.text);
    await logs.until((text) => countedTo(text) > seen + 20);
    expect(logs.text.startsWith('1\n2\n')).toBe(true);
    await logs.stop();
  });
});
