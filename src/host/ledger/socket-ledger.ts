import { readFile, rm } from 'node:fs/promises';
import { DomainError } from '../../core/model/errors.ts';
import { ownerOfPath, type InstanceMarks } from '../../core/model/marks.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import type { RunTree } from './run-tree.ts';

/** Paths of the bound sockets at or below a directory, in a text of /proc/net/unix (proc(5)): seven columns, then the path. */
export function parseUnixSockets(text: string, directory: string): readonly string[] {
  const mark = ` ${directory}/`;
  return text.split('\n').flatMap((line) => {
    const at = line.indexOf(mark);
    // A path may hold blanks, and the mark itself in its middle.
    return at === -1 || line.slice(0, at).trim().split(/ +/).length !== 7 ? [] : [line.slice(at + 1)];
  });
}

/**
 * Unix sockets. Mark: their path lies below this daemon's run directory. Both their files and the kernel's table are looked at: a socket may
 * have lost its file, a file its socket. The table has the daemon's network namespace only.
 */
export class SocketLedger implements LedgerKind {
  readonly kind = 'socket';
  readonly #marks: InstanceMarks;
  readonly #tree: RunTree;
  readonly #table: string;

  constructor(marks: InstanceMarks, tree: RunTree, table = '/proc/net/unix') {
    this.#marks = marks;
    this.#tree = tree;
    this.#table = table;
  }

  async find(): Promise<readonly FoundResource[]> {
    const files = new Set((await this.#tree.read()).flatMap(({ sockets }) => sockets));
    const bound = await this.#bound();
    return [...new Set([...files, ...bound])].flatMap((name): readonly FoundResource[] => {
      const owner = ownerOfPath(this.#marks, name);
      return owner === undefined ? [] : [{ kind: 'socket', name, ...owner, containerId: undefined, attributes: { file: String(files.has(name)), bound: String(bound.has(name)) } }];
    });
  }

  async remove(found: FoundResource): Promise<void> {
    await rm(found.name, { force: true });
    if (found.attributes['file'] === 'true') return;
    if (!(await this.#bound()).has(found.name)) return;
    throw new DomainError('HOST_RESOURCE', `${found.name} has no file, and a process without our mark keeps it open`, { remedy: 'find it with "ss -xp" and end it' });
  }

  async #bound(): Promise<ReadonlySet<string>> {
    return new Set(parseUnixSockets(await readFile(this.#table, 'utf8'), this.#marks.runs));
  }
}
