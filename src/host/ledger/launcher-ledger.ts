import { basename } from 'node:path';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import type { RunTree } from './run-tree.ts';

/** The directories that launchers keep their records in (docs/protocols/launcher.md). Mark: they lie below this daemon's run directory. */
export class LauncherLedger implements LedgerKind {
  readonly kind = 'launcher';
  readonly #tree: RunTree;
  readonly #removeTree: (path: string) => Promise<void>;

  constructor(tree: RunTree, removeTree: (path: string) => Promise<void>) {
    this.#tree = tree;
    this.#removeTree = removeTree;
  }

  async find(): Promise<readonly FoundResource[]> {
    return (await this.#tree.read()).flatMap(({ owner, launches }) =>
      launches.map((name): FoundResource => ({ kind: 'launcher', name, owner, containerId: undefined, attributes: { launch: basename(name) } })));
  }

  async remove(found: FoundResource): Promise<void> {
    await this.#removeTree(found.name);
  }
}
