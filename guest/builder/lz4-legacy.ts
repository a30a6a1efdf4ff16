import { BuildError } from './build-error.ts';

const MAGIC = 0x184c2102;
const MAX_BLOCK = 8 * 1024 * 1024;
const MIN_MATCH = 4;

/**
 * Decodes the legacy LZ4 frame (lz4_Frame_format.md, "Legacy frame"): a magic number, then blocks of a 4 byte length and
 * that many bytes, each yielding at most 8 MiB. This is what the kernel's build writes for CONFIG_KERNEL_LZ4.
 * The input ends where the frame does: the kernel's appended size word has to be cut off before.
 */
export function decodeLz4Legacy(input: Uint8Array): Buffer {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (input.byteLength < 4 || view.getUint32(0, true) !== MAGIC) throw corrupt('no legacy magic number');
  const blocks: Buffer[] = [];
  let at = 4;
  while (at < input.byteLength) {
    if (at + 4 > input.byteLength) throw corrupt('cut off in a block length');
    const length = view.getUint32(at, true);
    at += 4;
    // A second frame may follow the first directly.
    if (length === MAGIC) continue;
    if (at + length > input.byteLength) throw corrupt('cut off in a block');
    blocks.push(decodeBlock(input.subarray(at, at + length)));
    at += length;
  }
  return Buffer.concat(blocks);
}

function decodeBlock(source: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(MAX_BLOCK);
  let from = 0;
  let to = 0;
  const extended = (start: number): number => {
    let length = start;
    if (start !== 15) return length;
    for (;;) {
      const more = byteAt(source, from++);
      length += more;
      if (more !== 255) return length;
    }
  };
  while (from < source.byteLength) {
    const token = byteAt(source, from++);
    const literals = extended(token >> 4);
    if (from + literals > source.byteLength || to + literals > MAX_BLOCK) throw corrupt('literals run past the block');
    out.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence of a block has literals only.
    if (from === source.byteLength) break;
    const offset = byteAt(source, from) | (byteAt(source, from + 1) << 8);
    from += 2;
    const match = extended(token & 15) + MIN_MATCH;
    if (offset === 0 || offset > to || to + match > MAX_BLOCK) throw corrupt('a match points outside the block');
    copyMatch(out, to, offset, match);
    to += match;
  }
  return out.subarray(0, to);
}

/** Copies within the output; source and target overlap when a short pattern repeats, so its length doubles as it grows. */
function copyMatch(out: Buffer, to: number, offset: number, length: number): void {
  const start = to - offset;
  let done = 0;
  while (done < length) {
    const step = Math.min(length - done, offset + done);
    out.copyWithin(to + done, start, start + step);
    done += step;
  }
}

function byteAt(bytes: Uint8Array, index: number): number {
  const value = bytes[index];
  if (value === undefined) throw corrupt('cut off in a sequence');
  return value;
}

function corrupt(why: string): BuildError {
  return new BuildError('bad_kernel', `the kernel's LZ4 payload can't be decoded: ${why}`);
}
