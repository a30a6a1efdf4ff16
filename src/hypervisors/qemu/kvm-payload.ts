/**
 * The smallest guest that proves a processor to run: a Multiboot 1 image (its header with load addresses, so no ELF is needed) whose code
 * writes one byte to QEMU's isa-debug-exit device. To get there the firmware has run in real and in protected mode first.
 */
const LOAD_ADDRESS = 0x10_0000;
const HEADER_BYTES = 32;
const MAGIC = 0x1bad_b002;
/** Bit 16: the address fields are there and count. */
const FLAGS = 0x1_0000;

/** The port of the exit device, and what the guest writes there. */
export const EXIT_PORT = 0xf4;
const EXIT_VALUE = 0x2a;
/** QEMU's exit code for it: (value << 1) | 1. */
export const EXIT_CODE = (EXIT_VALUE << 1) | 1;

const CODE = [
  0xb0, EXIT_VALUE, // mov al, EXIT_VALUE
  0xe6, EXIT_PORT, // out EXIT_PORT, al
  0xf4, // hlt
  0xeb, 0xfd, // jmp to the hlt
];

export function kvmPayload(): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + CODE.length);
  const end = LOAD_ADDRESS + bytes.length;
  const checksum = (-(MAGIC + FLAGS)) >>> 0;
  // magic, flags, checksum, header address, load address, end of load, end of bss, entry
  const header = [MAGIC, FLAGS, checksum, LOAD_ADDRESS, LOAD_ADDRESS, end, end, LOAD_ADDRESS + HEADER_BYTES];
  for (const [index, word] of header.entries()) bytes.writeUInt32LE(word, index * 4);
  bytes.set(CODE, HEADER_BYTES);
  return bytes;
}
