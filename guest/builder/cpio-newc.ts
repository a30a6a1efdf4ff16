/** One entry of an archive. Paths are relative, without a leading slash; modes hold the permission bits only. */
export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'character'; readonly path: string; readonly mode: number; readonly major: number; readonly minor: number };

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly path: string;
}

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const TYPE_BITS = { directory: 0o040000, file: 0o100000, symlink: 0o120000, character: 0o020000 } as const;

/**
 * Writes a "newc" archive (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst) whose bytes depend on the
 * entries and their order alone: owner 0:0, time 0, inode numbers counted from 1, every file its own inode.
 * The entries come in the order in which the kernel will make them: a directory before what is in it.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  entries.forEach((entry, index) => {
    const data = contentOf(entry);
    const device = entry.kind === 'character' ? entry : { major: 0, minor: 0 };
    const mode = TYPE_BITS[entry.kind] | (entry.kind === 'symlink' ? 0o777 : entry.mode);
    pushEntry(parts, {
      inode: index + 1,
      mode,
      links: entry.kind === 'directory' ? 2 : 1,
      size: data.byteLength,
      major: device.major,
      minor: device.minor,
      path: entry.path,
    }, data);
  });
  pushEntry(parts, { inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0, path: TRAILER }, new Uint8Array());
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  // cpio pads an archive to 512 byte blocks; the kernel wants only 4, but other readers ask for the block.
  parts.push(new Uint8Array(padding(length, 512)));
  return Buffer.concat(parts);
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.data;
  if (entry.kind === 'symlink') return Buffer.from(entry.target, 'utf8');
  return new Uint8Array();
}

function pushEntry(parts: Uint8Array[], header: Header, data: Uint8Array): void {
  const name = Buffer.from(`${header.path}\0`, 'utf8');
  const fields = [
    header.inode, header.mode, 0, 0, header.links, 0, header.size,
    0, 0, header.major, header.minor, name.byteLength, 0,
  ];
  const head = Buffer.concat([Buffer.from(MAGIC + fields.map(hex).join(''), 'ascii'), name]);
  parts.push(head, new Uint8Array(padding(head.byteLength, 4)), data, new Uint8Array(padding(data.byteLength, 4)));
}

function hex(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`no cpio field can hold ${value}`);
  return value.toString(16).padStart(8, '0');
}

function padding(length: number, to: number): number {
  return (to - (length % to)) % to;
}
