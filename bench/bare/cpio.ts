/** One member of a newc archive (cpio(5)). */
export interface CpioEntry {
  readonly name: string;
  readonly mode: number;
  readonly data: Uint8Array;
}

const MAGIC = '070701';
const HEADER_BYTES = 110;
const LAST = 'TRAILER!!!';

/** Every member of an uncompressed newc archive. Throws when it is none. */
export function readCpio(archive: Buffer): readonly CpioEntry[] {
  const entries: CpioEntry[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= archive.length) {
    const header = archive.toString('latin1', at, at + HEADER_BYTES);
    if (!header.startsWith(MAGIC)) throw new Error(`no newc header at byte ${at}`);
    const field = (index: number): number => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const [mode, size, nameBytes] = [field(1), field(6), field(11)];
    const name = archive.toString('utf8', at + HEADER_BYTES, at + HEADER_BYTES + nameBytes - 1);
    if (name === LAST) return entries;
    const start = padded(at + HEADER_BYTES + nameBytes);
    entries.push({ name, mode, data: archive.subarray(start, start + size) });
    at = padded(start + size);
  }
  throw new Error('the archive has no end');
}

export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const members = [...entries, { name: LAST, mode: 0, data: new Uint8Array() }];
  return Buffer.concat(members.flatMap((entry, index) => memberOf(entry, index + 1)));
}

function memberOf(entry: CpioEntry, inode: number): readonly Uint8Array[] {
  const name = Buffer.from(`${entry.name}\0`);
  // inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name, check sum
  const fields = [inode, entry.mode, 0, 0, 1, 0, entry.data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.concat([Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('')), name]);
  return [header, zeros(header.length), entry.data, zeros(entry.data.length)];
}

function padded(length: number): number {
  return length + ((4 - (length % 4)) % 4);
}

function zeros(length: number): Uint8Array {
  return new Uint8Array(padded(length) - length);
}
