import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceId } from '../../core/model/ids.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import { directoryEntries } from './directory-entries.ts';
import { hostPrefix, ownerInName } from './named-owner.ts';

/** Unmounts what is mounted at a path, if anything is. */
export interface Unmounting {
  unmountAll(path: string): Promise<void>;
}

/** Named network namespaces, where ip-netns(8) keeps them. Mark: `viv-INSTANCE-SHORTID`. */
export class NetnsLedger implements LedgerKind {
  readonly kind = 'netns';
  readonly #instance: InstanceId;
  readonly #mounts: Unmounting;
  readonly #home: string;

  constructor(instance: InstanceId, mounts: Unmounting, home = '/run/netns') {
    this.#instance = instance;
    this.#mounts = mounts;
    this.#home = home;
  }

  async find(): Promise<readonly FoundResource[]> {
    return (await directoryEntries(this.#home)).flatMap(({ name }): readonly FoundResource[] => {
      const owner = ownerInName(name, hostPrefix(this.#instance));
      return owner === undefined ? [] : [{ kind: 'netns', name: join(this.#home, name), owner, containerId: undefined, attributes: {} }];
    });
  }

  /** Takes its name away; the namespace itself goes with the last process in it. */
  async remove(found: FoundResource): Promise<void> {
    await this.#mounts.unmountAll(found.name);
    await rm(found.name, { force: true });
  }
}
