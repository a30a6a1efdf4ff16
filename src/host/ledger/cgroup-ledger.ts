import { readFile, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import type { InstanceId } from '../../core/model/ids.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import { GIVEN_SUBTREE } from '../cgroup-hierarchies.ts';
import { errnoOf } from '../files.ts';
import { directoryEntries } from './directory-entries.ts';

/** Control groups `vivarium/INSTANCE/SHORTID` of the unified hierarchy, of the subtree that we were given there, and of every version 1 controller. Mark: their name. */
export class CgroupLedger implements LedgerKind {
  readonly kind = 'cgroup';
  readonly #instance: InstanceId;
  readonly #mount: string;

  constructor(instance: InstanceId, mount = '/sys/fs/cgroup') {
    this.#instance = instance;
    this.#mount = mount;
  }

  async find(): Promise<readonly FoundResource[]> {
    const controllers = (await directoryEntries(this.#mount)).filter((entry) => entry.isDirectory() && entry.name !== 'vivarium').map(({ name }) => join(this.#mount, name));
    const found = await Promise.all([this.#mount, join(this.#mount, GIVEN_SUBTREE), ...controllers].map((hierarchy) => this.#below(join(hierarchy, 'vivarium', this.#instance))));
    return found.flat();
  }

  /** The kernel refuses while a process is in it. */
  async remove(found: FoundResource): Promise<void> {
    try {
      await rmdir(found.name);
      await this.#removeEmptyParents(found.name);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      const pids = await readFile(join(found.name, 'cgroup.procs'), 'utf8').catch(() => '');
      const holders = pids.trim().split('\n').filter((pid) => pid !== '');
      throw new DomainError('HOST_RESOURCE', `${found.name} is not removed: ${holders.length === 0 ? String(error) : `processes ${holders.slice(0, 8).join(', ')} are in it`}`, { cause: error });
    }
  }

  /** Each goes with the last group in it; another daemon's keep `vivarium`. */
  async #removeEmptyParents(group: string): Promise<void> {
    const home = dirname(group);
    await rmdir(home).then(() => rmdir(dirname(home))).catch((error: unknown) => {
      const errno = errnoOf(error) ?? '';
      if (!['EBUSY', 'ENOTEMPTY', 'ENOENT'].includes(errno)) throw error;
    });
  }

  async #below(home: string): Promise<readonly FoundResource[]> {
    return (await directoryEntries(home)).filter((entry) => entry.isDirectory()).map(({ name }): FoundResource => ({ kind: 'cgroup', name: join(home, name), owner: name, containerId: undefined, attributes: {} }));
  }
}
