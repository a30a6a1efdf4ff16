import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

interface VolumeJson {
  readonly spec: { readonly name: string };
  readonly hostPath: string;
  readonly usedBy?: readonly string[];
  readonly anonymous?: boolean;
}

/** Volumes as containers in real VMs have them. */
describe('volumes in a real VM', () => {
  let daemon: TestDaemon;

  const volumes = async (): Promise<readonly VolumeJson[]> => (await daemon.json<{ volumes: VolumeJson[] }>('volume', 'ls')).volumes;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    await daemon.must('sandbox', 'create', '--name', 'sb');
    await daemon.must('volume', 'create', 'data', '-l', 'of=test', '--mode', '1777');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  it('one is shared by containers, outlives them, and is refused to go while one has it', async () => {
    await daemon.must('run', '--rm', '--sandbox', 'sb', '-v', 'data:/d', '-v', 'later:/etc:ro', 'busybox', '--', 'sh', '-c', 'echo kept > /d/file; mkdir /d/inner; echo deep > /d/inner/file');
    await daemon.must('run', '-d', '--sandbox', 'sb', '--name', 'box', '-v', 'data:/d', '--mount', 'type=volume,source=data,target=/part,volume-subpath=inner,readonly', '-v', '/own', 'busybox', '--', 'sleep', '1000000');
    await expect(daemon.must('exec', 'box', 'sh', '-c', 'cat /d/file /part/file; stat -c %a /d; ! touch /part/x 2>/dev/null')).resolves.toBe('kept\ndeep\n1777');
    // The first container removes itself a moment after its end.
    await expect.poll(async () => (await daemon.json<{ containers: unknown[] }>('ps', '-a')).containers.length, { timeout: 10_000 }).toBe(1);
    const refused = await daemon.viv(['volume', 'rm', 'data']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('used by 1 container: box')]);
    expect((await volumes()).map(({ spec, anonymous, usedBy = [] }) => [anonymous === true ? 'anonymous' : spec.name, usedBy.length]).sort()).toEqual([['anonymous', 1], ['data', 1], ['later', 0]]);
  });

  it('a new one has what the image has there', async () => {
    const found = (await volumes()).find(({ spec }) => spec.name === 'later');
    expect(existsSync(join(found?.hostPath ?? '', 'passwd'))).toBe(true);
  });

  it('a sub-path does not lead out of its volume, whatever a guest puts there', async () => {
    const { hostPath } = (await volumes()).find(({ spec }) => spec.name === 'data') as VolumeJson;
    await daemon.must('exec', 'box', 'ln', '-s', '/etc', '/d/out');
    mkdirSync(join(hostPath, 'real'));
    symlinkSync('real', join(hostPath, 'in'));
    const run = async (sub: string): Promise<{ code: number; stderr: string }> => await daemon.viv(['run', '--rm', '--sandbox', 'sb', '--mount', `type=volume,source=data,target=/m,volume-subpath=${sub}`, 'busybox', 'true']);
    expect((await run('in')).code).toBe(0);
    expect((await run('out')).stderr).toContain('leads out of the volume');
    expect((await run('missing')).stderr).toContain('data/missing');
  });

  it('they outlive a daemon that is killed; what has no name goes with its container', async () => {
    await daemon.crash();
    await daemon.boot();
    await expect(daemon.must('exec', 'box', 'cat', '/d/file')).resolves.toBe('kept');
    await daemon.must('rm', '-f', '-v', 'box');
    await expect.poll(async () => (await volumes()).map(({ spec }) => spec.name), { timeout: 10_000 }).toEqual(['data', 'later']);
    await daemon.must('doctor', 'audit');
    expect(readFileSync(join((await volumes())[0]?.hostPath ?? '', 'file'), 'utf8')).toBe('kept\n');
    await expect(daemon.must('volume', 'prune', '--all')).resolves.toBe('data\nlater');
  });
});
