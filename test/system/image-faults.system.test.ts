import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ociImage } from '../fakes/oci-image.ts';
import type { OciImage } from '../fakes/oci-image.ts';
import { TestRegistry } from '../fakes/registry.ts';
import { TestDaemon } from './daemon.ts';

const MIB = 1024 * 1024;

/** Bytes that no packing makes fewer, and always the same. */
function noise(bytes: number): Buffer {
  const blocks = Math.ceil(bytes / 32);
  return Buffer.concat(Array.from({ length: blocks }, (_each, index) => createHash('sha256').update(String(index)).digest())).subarray(0, bytes);
}

const names = async (daemon: TestDaemon, directory: string): Promise<readonly string[]> => await readdir(join(daemon.root, 'images', directory));

describe('a state directory that becomes full in the middle of a pull', () => {
  it('is a typed error, leaves a clean store, and takes the image once there is room', async () => {
    const daemon = await TestDaemon.start();
    await daemon.stop();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=0700', 'vv-images', daemon.root]);
    try {
      await daemon.boot();
      await using registry = await TestRegistry.start();
      // The first layer has room; the archive of the second has, and its files have not.
      const reference = registry.put('team/large', '1', ociImage([[{ path: 'small', content: noise(MIB) }], [{ path: 'large', content: noise(6 * MIB) }]]));
      const refused = await daemon.viv(['pull', reference]);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/no space left|full/i)]);
      expect(await names(daemon, 'work')).toEqual([]);
      await expect.poll(() => names(daemon, 'layers/sha256'), { timeout: 10_000 }).toEqual([]);
      expect(await daemon.json('images', reference)).toMatchObject({ images: [] });
      await daemon.must('doctor', 'audit');
      await daemon.must('image', 'prune', '-f');
      expect([await names(daemon, 'partial/sha256'), await names(daemon, 'blobs/sha256')]).toEqual([[], []]);

      execFileSync('mount', ['-o', 'remount,size=64m', daemon.root]);
      expect(await daemon.must('pull', '-q', reference)).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await names(daemon, 'layers/sha256')).toHaveLength(2);
      await daemon.must('doctor', 'audit');
    } finally {
      await daemon.stop();
      execFileSync('umount', [daemon.root]);
      await daemon[Symbol.asyncDispose]();
    }
  });
});

describe('two pulls of one image whose daemon dies', () => {
  const image = (): OciImage => ociImage([[{ path: 'a', content: 'a' }]]);

  it('both go on when it is back, as one again', async () => {
    await using daemon = await TestDaemon.start();
    await using registry = await TestRegistry.start();
    const reference = registry.put('team/app', '1', image());
    const blob = image().layers[0]?.digest ?? '-';
    const asked = new Promise<void>((resolve) => {
      registry.fault = (request) => {
        if (request.url?.includes(blob) !== true) return false;
        resolve();
        return true;
      };
    });
    const pulls = [daemon.spawnViv(['pull', reference]), daemon.spawnViv(['pull', reference])].map(followed);
    await asked;
    // Both are told how far it is: both have joined it.
    await Promise.all(pulls.map(({ told }) => told));
    await daemon.crash();
    registry.fault = () => false;
    registry.requests.length = 0;
    await daemon.boot();
    const ended = await Promise.all(pulls.map(({ ended }) => ended));
    expect(ended).toEqual([0, 0].map((code) => ({ code, out: `${image().config.digest}\n` })));
    expect(registry.requests.filter((line) => line.startsWith('GET') && line.includes(blob))).toHaveLength(1);
    await daemon.must('doctor', 'audit');
  });
});

interface Followed {
  /** Its first word of progress. */
  readonly told: Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string }>;
}

function followed(child: ReturnType<TestDaemon['spawnViv']>): Followed {
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => { out += chunk.toString(); });
  return {
    told: new Promise((resolve) => { child.stderr?.once('data', () => { resolve(); }); }),
    ended: new Promise((resolve) => { child.once('close', (code) => { resolve({ code, out }); }); }),
  };
}
