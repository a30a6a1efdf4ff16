import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import type { InstanceId } from '../../core/model/ids.ts';
import type { ProcessRunner } from '../../core/ports/host.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import { directoryEntries } from './directory-entries.ts';
import { hostPrefix, ownerInName } from './named-owner.ts';

const UMOUNT_MS = 10_000;

/** Named network namespaces, where ip-netns(8) keeps them. Mark: `viv-INSTANCE-SHORTID`. */
export class NetnsLedger implements LedgerKind {
  readonly kind = 'netns';
  readonly #instance: InstanceId;
  readonly #runner: ProcessRunner;
  readonly #home: string;

  constructor(instance: InstanceId, runner: ProcessRunner, home = '/run/netns') {
    this.#instance = instance;
    this.#runner = runner;
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
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    if (mounts.split('\n').some((line) => line.split(' ')[4] === found.name)) {
      const result = await this.#runner.run('umount', ['--no-canonicalize', found.name], { timeoutMs: UMOUNT_MS });
      if (result.code !== 0) throw new DomainError('HOST_RESOURCE', `umount ${found.name}: ${result.stderr.trim()}`);
    }
    await rm(found.name, { force: true });
  }
}
