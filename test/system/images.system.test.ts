import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxLayer, ociImage, writeLayout } from '../fakes/oci-image.ts';
import type { OciImage } from '../fakes/oci-image.ts';
import { TestRegistry } from '../fakes/registry.ts';
import { TestDaemon } from './daemon.ts';

/** The lower layer's files are overwritten and whited out by the upper one. */
function demo(change: object = {}): OciImage {
  return ociImage(
    [
      busyboxLayer(),
      [{ path: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\nold:x:5:5::/:/bin/sh\n' }, { path: 'etc/gone', content: 'x' }],
      [{ path: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n' }, { path: 'etc/.wh.gone', content: '' }, { path: 'srv/' }, { path: 'data', link: '/srv/data' }, { path: 'srv/data/' }, { path: 'srv/data/seed', content: 'seed' }],
    ],
    { Entrypoint: ['/bin/sh', '-c'], Cmd: ['id -u; pwd; echo $GREETING; ls /etc/gone 2>/dev/null; cat /data/seed; sleep 1000'], Env: ['GREETING=hi'], User: 'web', WorkingDir: '/srv', StopSignal: 'SIGINT', Volumes: { '/data': {} }, ...change },
  );
}

let daemon: TestDaemon;
let home: string;

beforeAll(async () => {
  home = await mkdtemp('/tmp/vv-');
  daemon = await TestDaemon.start({ flags: ['--reap-on-start', 'false'] });
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const layers = async (): Promise<number> => (await readdir(join(daemon.root, 'images/layers/sha256'))).length;

describe('an image from a layout', () => {
  it('is run as it says, by its user, in its directory, over all its layers', async () => {
    await writeLayout(join(home, 'layout'), demo({ Cmd: ['id -u; pwd; echo $GREETING; ls /etc/gone 2>/dev/null; cat /data/seed'] }), 'demo:1');
    await daemon.must('image', 'import', join(home, 'layout'));
    expect(await daemon.must('run', '--rm', 'demo:1')).toBe('1000\n/srv\nhi\nseed');
  });

  it('is not written to where its container is read-only, but in its volumes', async () => {
    const result = await daemon.viv(['run', '--rm', '--read-only', '-u', '0', 'demo:1', 'touch /x; echo new > /data/new && cat /data/seed /srv/data/new']);
    expect(result.stderr).toContain('Read-only file system');
    expect(result.stdout).toBe('seednew\n');
    expect(await daemon.must('run', '--rm', 'demo:1', 'ls /data')).toBe('seed');
  });

  it('named wrongly by its user is told before anything runs', async () => {
    const result = await daemon.viv(['run', '--rm', '-u', 'old', 'demo:1', 'true']);
    expect([result.code, result.stderr]).toEqual([125, expect.stringContaining('no user "old" in /etc/passwd')]);
    expect(await daemon.json('sandbox', 'ls')).toMatchObject({ sandboxes: [] });
  });
});

describe('an image from a registry', () => {
  it('is fetched when it is run, kept for its container whatever becomes of its name, and gone with it', async () => {
    await using registry = await TestRegistry.start();
    const reference = registry.put('team/app', '1', demo());
    await daemon.must('run', '-d', '--name', 'kept', reference);
    await using follow = await logsOf('kept', 'seed');
    expect(follow.text).toBe('1000\n/srv\nhi\nseed');
    expect(await layers()).toBe(3);
    expect((await daemon.viv(['rmi', reference])).stderr).toContain('1 container uses the image');
    expect(await daemon.must('rmi', '-f', reference)).toBe(`untagged ${reference}`);
    await daemon.must('rmi', 'demo:1');
    await daemon.crash();
    await daemon.boot();
    expect(await daemon.must('exec', 'kept', 'id', '-u')).toBe('1000');
    await daemon.must('stop', '-t', '5s', 'kept');
    await daemon.must('start', 'kept');
    expect(await daemon.must('exec', 'kept', 'cat', '/data/seed')).toBe('seed');
    const [sandbox = ''] = (await daemon.must('sandbox', 'ls', '-q')).split('\n');
    await daemon.must('sandbox', 'rm', '-f', sandbox);
    await expect.poll(layers, { timeout: 10_000 }).toBe(0);
    await daemon.must('doctor', 'audit');
  });

  it('whose pull the daemon did not survive is pulled by the next, which clears what the first left', async () => {
    await using registry = await TestRegistry.start();
    const reference = registry.put('team/app', '2', demo());
    const asked = new Promise<void>((resolve) => {
      registry.fault = (request) => {
        if (request.url?.includes(demo().layers[0]?.digest ?? '-') !== true) return false;
        resolve();
        return true;
      };
    });
    const pull = daemon.viv(['pull', reference]);
    await asked;
    await daemon.crash();
    await pull;
    registry.fault = () => false;
    await daemon.boot();
    expect(await daemon.must('pull', '-q', reference)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await layers()).toBe(3);
    expect(await readdir(join(daemon.root, 'images/work'))).toEqual([]);
    await daemon.must('doctor', 'audit');
    await daemon.must('image', 'prune', '--all');
    expect(await layers()).toBe(0);
    expect(existsSync(join(daemon.root, 'images/lock'))).toBe(true);
  });
});

/** What a container wrote, once it ends with this. */
async function logsOf(name: string, end: string): Promise<{ readonly text: string } & AsyncDisposable> {
  const follow = daemon.spawnViv(['logs', '-f', name]);
  let text = '';
  await new Promise<void>((resolve, reject) => {
    follow.once('close', () => { reject(new Error(`the logs ended: ${text}`)); });
    follow.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith(end)) resolve();
    });
  });
  return { text, [Symbol.asyncDispose]: async () => { follow.kill('SIGKILL'); } };
}
