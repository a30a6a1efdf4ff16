import { BuildError } from './build-error.ts';

export type Compression = 'lz4' | 'gzip' | 'xz' | 'zstd' | 'none';

/** Where a bzImage keeps the kernel proper, and how it is packed. */
export interface BzImagePayload {
  readonly compression: Compression;
  readonly data: Uint8Array;
}

// Offsets of the setup header, Linux/x86 boot protocol (the kernel's Documentation/arch/x86/boot.rst).
const SETUP_SECTS = 0x1f1;
const HEADER_MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR = 512;

/** True for an x86 kernel image with a setup header, of any protocol version. */
export function isBzImage(image: Uint8Array): boolean {
  return image.byteLength > PAYLOAD_LENGTH + 4 && Buffer.from(image.subarray(HEADER_MAGIC, HEADER_MAGIC + 4)).toString('latin1') === 'HdrS';
}

/** True for a 64-bit little-endian ELF file. */
export function isElf64(image: Uint8Array): boolean {
  return image.byteLength > 64 && [0x7f, 0x45, 0x4c, 0x46, 2, 1].every((byte, index) => image[index] === byte);
}

/** Finds the packed kernel inside a bzImage by its own header (boot protocol 2.08 and later). */
export function findPayload(image: Uint8Array): BzImagePayload {
  if (!isBzImage(image)) throw new BuildError('bad_kernel', 'the kernel is neither a bzImage nor an ELF file');
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const version = view.getUint16(VERSION, true);
  if (version < 0x0208) {
    throw new BuildError('bad_kernel', `the kernel speaks boot protocol ${version >> 8}.${version & 255}; the payload fields need 2.08`);
  }
  // A count of 0 means 4, from the time before the field existed.
  const setupSectors = image[SETUP_SECTS] || 4;
  const start = (setupSectors + 1) * SECTOR + view.getUint32(PAYLOAD_OFFSET, true);
  const end = start + view.getUint32(PAYLOAD_LENGTH, true);
  if (end > image.byteLength || end - start < 16) {
    throw new BuildError('bad_kernel', 'the kernel image is cut off: its payload lies outside the file');
  }
  const data = image.subarray(start, end);
  const compression = compressionOf(data);
  // Every packer but gzip, whose format ends in the size anyhow, gets the unpacked size appended as one word.
  const sizeWord = compression === 'gzip' || compression === 'none' ? 0 : 4;
  return { compression, data: data.subarray(0, data.byteLength - sizeWord) };
}

function compressionOf(data: Uint8Array): Compression {
  const magic = Buffer.from(data.subarray(0, 6)).toString('hex');
  if (magic.startsWith('02214c18')) return 'lz4';
  if (magic.startsWith('1f8b08')) return 'gzip';
  if (magic.startsWith('fd377a585a00')) return 'xz';
  if (magic.startsWith('28b52ffd')) return 'zstd';
  if (isElf64(data)) return 'none';
  throw new BuildError('bad_kernel', `the kernel is packed in an unknown way (payload begins with ${magic})`, {
    remedy: 'give the uncompressed vmlinux with --kernel',
  });
}
