import { readFile, rm } from 'node:fs/promises';
import { DomainError } from '../../core/model/errors.ts';
import { ownerOfPath, type InstanceMarks } from '../../core/model/marks.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import type { RunTree } from './run-tree.ts';

/** Paths of the bound sockets in a text of /proc/net/unix, without those in the abstract name space. */
export function parseUnixSockets(text: string): readonly string[] {
  return text.split('\n').slice(1).flatMap((line) => {
    const path = /^\S+: (?:\S+ +){5} *\d+ (\/.*)$/.exec(line)?.[1];
    return path === undefined ? [] : [path];
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
    const bound = new Set(parseUnixSockets(await readFile(this.#table, 'utf8')));
    return [...new Set([...files, ...bound])].flatMap((name): readonly FoundResource[] => {
      const owner = ownerOfPath(this.#marks, name);
      return owner === undefined ? [] : [{ kind: 'socket', name, ...owner, containerId: undefined, attributes: { file: String(files.has(name)), bound: String(bound.has(name)) } }];
    });
  }

  async remove(found: FoundResource): Promise<void> {
    await rm(found.name, { force: true });
    if (found.attributes['file'] === 'true') return;
    if (!parseUnixSockets(await readFile(this.#table, 'utf8')).includes(found.name)) return;
    throw new DomainError('HOST_RESOURCE', `${found.name} has no file, and a process without our mark keeps it open`, { remedy: 'find it with "ss -xp" and end it' });
  }
}
