import { join } from 'node:path';
import { ownerOfPath, type InstanceMarks } from '../../core/model/marks.ts';
import { parseSandboxId } from '../../core/model/ids.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import { directoryEntries } from './directory-entries.ts';
import type { RunTree } from './run-tree.ts';

/** The file that makes a directory of lasting state a sandbox's. */
const RECORD = 'record.json';
const PARALLEL = 8;

export interface DirectoryLedgerParts {
  readonly marks: InstanceMarks;
  readonly tree: RunTree;
  /** Missing is fine; refuses when something is mounted below. */
  readonly removeTree: (path: string) => Promise<void>;
  /** Out of sight at once, removed in the background. */
  readonly discard: (path: string) => Promise<void>;
}

/** Run directories, directories of lasting state, and in these the containers'. Mark: they lie below this daemon's directories. */
export class DirectoryLedger implements LedgerKind {
  readonly kind = 'directory';
  readonly #parts: DirectoryLedgerParts;

  constructor(parts: DirectoryLedgerParts) {
    this.#parts = parts;
  }

  async find(): Promise<readonly FoundResource[]> {
    const runs = (await this.#parts.tree.read()).map(({ path }) => this.#found(path, {}));
    return [...runs.flat(), ...(await this.#states())];
  }

  async remove(found: FoundResource): Promise<void> {
    if (found.attributes['lasting'] === 'true') await this.#parts.discard(found.name);
    else await this.#parts.removeTree(found.name);
  }

  async #states(): Promise<readonly FoundResource[]> {
    const { sandboxes } = this.#parts.marks;
    const waiting = (await directoryEntries(sandboxes)).filter((entry) => entry.isDirectory() && parseSandboxId(entry.name) !== undefined).map(({ name }) => join(sandboxes, name));
    const found: FoundResource[] = [];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) found.push(...(await this.#state(next)));
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    return found;
  }

  async #state(path: string): Promise<readonly FoundResource[]> {
    const names = (await directoryEntries(path)).map(({ name }) => name);
    const containers = names.includes('containers') ? await directoryEntries(join(path, 'containers')) : [];
    return [
      ...this.#found(path, { lasting: 'true', record: String(names.includes(RECORD)) }),
      ...containers.flatMap(({ name }) => this.#found(join(path, 'containers', name), { lasting: 'true' })),
    ];
  }

  #found(name: string, attributes: Readonly<Record<string, string>>): readonly FoundResource[] {
    const owner = ownerOfPath(this.#parts.marks, name);
    return owner === undefined ? [] : [{ kind: 'directory', name, ...owner, attributes }];
  }
}
