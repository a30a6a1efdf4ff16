import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxLayer, ociImage, writeLayout } from '../fakes/oci-image.ts';
import type { LayerEntry } from '../fakes/oci-image.ts';
import { TestDaemon } from './daemon.ts';

const MANY = 500;
const TOOLS = ['chmod', 'dd', 'grep', 'ln', 'md5sum', 'mkdir', 'mv', 'rm', 'stat', 'sync', 'wc'];

/** What an image can have: links of both kinds, modes, owners, a file that the upper layer takes away, one of some size, and many small ones. */
function layers(): readonly (readonly LayerEntry[])[] {
  const small = Array.from({ length: MANY }, (_, index): LayerEntry => ({ path: `many/f${index}`, content: `${index}\n` }));
  return [
    [...busyboxLayer(), ...TOOLS.map((name): LayerEntry => ({ path: `bin/${name}`, link: 'busybox' }))],
    [{ path: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n' }, { path: 'etc/gone', content: 'x' }, { path: 'etc/old', content: 'below' }, { path: 'big', content: 'x'.repeat(4 << 20) }, ...small],
    [{ path: 'etc/.wh.gone', content: '' }, { path: 'etc/old', content: 'above' }, { path: 'link', link: '/etc/old' }, { path: 'private', content: 'p', mode: 0o600 }, { path: 'data/' }, { path: 'data/seed', content: 'seed' }],
  ];
}

let daemon: TestDaemon;
let home: string;

beforeAll(async () => {
  home = await mkdtemp('/tmp/vv-');
  daemon = await TestDaemon.start({ profiles: { both: 'block_rootfs = true\n' }, flags: ['--reap-on-start', 'false'] });
  await writeLayout(join(home, 'layout'), ociImage(layers(), { Cmd: ['sh'], User: 'web', Volumes: { '/data': {} } }), 'demo:1');
  await daemon.must('image', 'import', join(home, 'layout'));
  await daemon.must('sandbox', 'create', '--name', 'sb', '--profile', 'both');
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const sh = (script: string, ...flags: readonly string[]): Promise<string> => daemon.must('run', '--rm', '--sandbox', 'sb', ...flags, 'demo:1', 'sh', '-c', script);

interface Inspected {
  readonly mode: { readonly rootfs: string };
  readonly rootfsReason: string;
}

async function rootfsOf(name: string): Promise<string> {
  const [found] = JSON.parse(await daemon.must('inspect', name)) as readonly Inspected[];
  return `${found?.mode.rootfs}: ${found?.rootfsReason}`;
}

describe.each(['virtiofs', 'block'])('a root file system by %s', (mode) => {
  const flags = ['--rootfs-mode', mode];

  it('is what the layers are together, for its user', async () => {
    const seen = await sh('id -un; cat /etc/old /link; ls /etc/gone 2>/dev/null; stat -c %a:%u /private; cat /private 2>/dev/null; cat /data/seed; ls /many | wc -l; cat /many/* | md5sum; wc -c < /big', ...flags);
    expect(seen.split('\n')).toEqual(['web', 'aboveabove600:0', `seed${MANY}`, expect.stringMatching(/^[0-9a-f]{32} /), String(4 << 20)]);
  });

  it('takes what is written, and keeps none of it for the next', async () => {
    const seen = await sh('echo 1 > /etc/new; rm /etc/old; mv /private /moved; chmod 640 /moved; mkdir -p /a/b; ln -s b /a/l; dd if=/dev/zero of=/large bs=1M count=16 2>/dev/null; sync; stat -c %a:%s /moved /large; ls /a; ls /etc/old 2>/dev/null || echo gone', '-u', '0', ...flags);
    expect(seen.split('\n')).toEqual(['640:1', `644:${16 << 20}`, 'b', 'l', 'gone']);
    expect(await sh('ls -d /etc/new /large /etc/old 2>/dev/null', ...flags).catch(() => '/etc/old')).toContain('/etc/old');
  });

  it('is not written to when it is read-only, but in the volumes of its image', async () => {
    const seen = await sh('touch /x 2>/dev/null || echo no; echo new > /data/new && cat /data/seed /data/new', '-u', '0', '--read-only', ...flags);
    expect(seen).toBe('no\nseednew');
  });

  it('is the same for a further process, and after a restart', async () => {
    const name = `kept-${mode}`;
    await daemon.must('run', '-d', '--name', name, '--sandbox', 'sb', '-u', '0', ...flags, 'demo:1', 'sleep', '100000');
    expect(await rootfsOf(name)).toBe(`${mode}: asked for`);
    expect(await daemon.must('exec', name, 'sh', '-c', 'echo written > /etc/new; cat /etc/old')).toBe('above');
    expect(await daemon.must('exec', '-u', 'web', name, 'id', '-u')).toBe('1000');
    await daemon.must('stop', '-t', '0', name);
    await daemon.must('start', name);
    expect(await daemon.must('exec', name, 'cat', '/etc/new')).toBe('written');
  });
});

describe('images on disks', () => {
  it('outlive the daemon, and are there again when their sandbox starts again', async () => {
    await daemon.crash();
    await daemon.boot();
    expect(await daemon.must('exec', 'kept-block', 'cat', '/etc/new', '/etc/old')).toBe('written\nabove');
    expect(await sh('cat /etc/old', '--rootfs-mode', 'block')).toBe('above');
    await daemon.must('sandbox', 'stop', 'sb');
    await daemon.must('sandbox', 'start', 'sb');
    for (const name of ['kept-block', 'kept-virtiofs']) expect(await daemon.must('exec', name, 'cat', '/etc/new', '/etc/old')).toBe('written\nabove');
  });

  it('are made once, go with their image, and not before their containers', async () => {
    const disks = async (): Promise<readonly string[]> => (await readdir(join(daemon.root, 'images/disks'))).filter((name) => /^[0-9a-f]{64}$/.test(name));
    expect(await disks()).toHaveLength(1);
    await daemon.must('rmi', '-f', 'demo:1');
    expect(await disks()).toHaveLength(1);
    await daemon.must('rm', '-f', 'kept-block', 'kept-virtiofs');
    await expect.poll(disks, { timeout: 20_000 }).toEqual([]);
  });

  it('need nothing to be shared, and are refused for what is no image', async () => {
    const alone = await daemon.viv(['run', '--rm', '--timings', '--rootfs-mode', 'block', 'busybox', 'sh', '-c', 'grep -c virtiofs /proc/mounts']);
    expect([alone.stdout, alone.stderr]).toEqual(['0\n', expect.stringContaining(', block,')]);
    const refused = await daemon.viv(['run', '--rm', '--sandbox', 'sb', '--rootfs-mode', 'block', '--rootfs', '/', 'true']);
    expect([refused.code, refused.stderr]).toEqual([125, expect.stringContaining('not made into a disk')]);
    expect((await daemon.viv(['run', '--rm', '--sandbox', 'sb', '--rootfs-mode', '9p', 'busybox', 'true'])).stderr).toContain('no 9p');
  });
});
