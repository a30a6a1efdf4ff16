import { gunzipSync } from 'node:zlib';
import { BuildError } from './build-error.ts';
import { findPayload, isElf64 } from './bzimage.ts';
import type { Compression } from './bzimage.ts';
import type { CommandRunner } from './command-runner.ts';
import { decodeLz4Legacy } from './lz4-legacy.ts';

/** The kernel as an ELF file, which QEMU starts directly (PVH) without the packed image's own unpacking inside the guest. */
export async function unpackKernel(image: Uint8Array, runner: CommandRunner, signal: AbortSignal): Promise<Uint8Array> {
  if (isElf64(image)) return image;
  const payload = findPayload(image);
  const kernel = await unpack(payload.compression, payload.data, runner, signal);
  if (!isElf64(kernel)) throw new BuildError('bad_kernel', 'what was packed in the kernel image is not an ELF file');
  return kernel;
}

export async function unpack(compression: Compression, data: Uint8Array, runner: CommandRunner, signal: AbortSignal): Promise<Uint8Array> {
  switch (compression) {
    case 'none':
      return data;
    case 'lz4':
      return decodeLz4Legacy(data);
    case 'gzip':
      return gunzipSync(data);
    case 'xz':
    case 'zstd':
      return (await runner.run(compression, ['-dc'], { input: data, signal })).stdout;
  }
}
