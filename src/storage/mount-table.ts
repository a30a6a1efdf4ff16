/** One line of /proc/PID/mountinfo; see proc_pid_mountinfo(5). */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  readonly mountPoint: string;
  readonly readOnly: boolean;
  /** It is in a peer group, so mounts made below it reach its peers. */
  readonly shared: boolean;
  readonly fsType: string;
  readonly source: string;
  /** The super block's options: an overlay's directories are here. */
  readonly superOptions: string;
}

/** The kernel writes space, tab, newline, backslash and a few more as three octal digits. Bytes, not characters: a path need not be UTF-8. */
export function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = Buffer.from(text, 'utf8').toString('latin1').replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8) & 0xff));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id, parentId, , , mountPoint, options] = fields;
  const [fsType, source, superOptions] = separator < 0 ? [] : fields.slice(separator + 1);
  if (id === undefined || parentId === undefined || mountPoint === undefined || options === undefined || fsType === undefined) return undefined;
  return {
    id: Number(id),
    parentId: Number(parentId),
    mountPoint: unescapeOctal(mountPoint),
    readOnly: options.split(',').includes('ro'),
    shared: fields.slice(6, separator).some((field) => field.startsWith('shared:')),
    fsType,
    source: unescapeOctal(source ?? ''),
    superOptions: unescapeOctal(superOptions ?? ''),
  };
}

/** The mounts of a mountinfo file, in its order. */
export function parseMountTable(text: string): readonly MountEntry[] {
  return text.split('\n').flatMap((line) => parseLine(line) ?? []);
}

export function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** The mount that a path shows: the topmost one at it. */
export function mountAt(entries: readonly MountEntry[], path: string): MountEntry | undefined {
  const here = entries.filter((entry) => entry.mountPoint === path);
  return here.find((entry) => !here.some((other) => other.parentId === entry.id));
}

/** Every mount at or below a directory, in the order in which they can be unmounted: what lies on top comes first. */
export function unmountOrder(entries: readonly MountEntry[], directory: string): readonly MountEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const depthOf = (entry: MountEntry): number => {
    let depth = 0;
    // A root may name itself as its parent; no chain is longer than the table.
    for (let at = byId.get(entry.parentId); at !== undefined && depth <= entries.length; at = byId.get(at.parentId)) depth += 1;
    return depth;
  };
  return entries
    .filter((entry) => isAtOrBelow(entry.mountPoint, directory))
    .map((entry, index) => ({ entry, index, depth: depthOf(entry) }))
    .sort((a, b) => b.depth - a.depth || b.index - a.index)
    .map(({ entry }) => entry);
}
