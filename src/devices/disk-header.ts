/** What the beginning of a file says that it is. */
export type DiskHeader =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'qcow2'; readonly sizeBytes: number; readonly backed: boolean; readonly dataFile: boolean; readonly encrypted: boolean }
  /** An image of a format that we do not take; its name for a person. */
  | { readonly kind: 'other'; readonly name: string };

/** So much is read of a file. */
export const HEADER_BYTES = 104;

const DATA_FILE = 4n;

const OTHERS: readonly (readonly [string, string])[] = [
  ['KDMV', 'vmdk'],
  ['COWD', 'vmdk'],
  ['# Disk DescriptorFile', 'vmdk'],
  ['vhdxfile', 'vhdx'],
  ['conectix', 'vpc'],
  ['QED\0', 'qed'],
  ['<<< ', 'vdi'],
  ['WithoutFreeSpace', 'parallels'],
  ['WithouFreSpacExt', 'parallels'],
  ['LUKS\xba\xbe', 'luks'],
];

/**
 * Pure. The header of qcow2 as its specification has it (QEMU's docs/interop/qcow2.txt): big-endian magic at 0, version at 4, backing file's
 * name at 8, size at 24, encryption at 32, incompatible features at 72 from version 3 on.
 */
export function readHeader(bytes: Uint8Array): DiskHeader {
  const text = Buffer.from(bytes).toString('latin1');
  if (text.startsWith('QFI\xfb')) return qcow2(Buffer.from(bytes));
  const other = OTHERS.find(([magic]) => text.startsWith(magic));
  return other === undefined ? { kind: 'unknown' } : { kind: 'other', name: other[1] };
}

function qcow2(bytes: Buffer): DiskHeader {
  if (bytes.length < 80) return { kind: 'other', name: 'qcow2 that is cut off' };
  const version = bytes.readUInt32BE(4);
  if (version !== 2 && version !== 3) return { kind: 'other', name: `qcow of version ${version}` };
  const features = version === 3 ? bytes.readBigUInt64BE(72) : 0n;
  return {
    kind: 'qcow2',
    sizeBytes: Number(bytes.readBigUInt64BE(24)),
    backed: bytes.readBigUInt64BE(8) !== 0n,
    dataFile: (features & DATA_FILE) !== 0n,
    encrypted: bytes.readUInt32BE(32) !== 0,
  };
}
