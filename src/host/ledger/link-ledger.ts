import { DomainError } from '../../core/model/errors.ts';
import type { InstanceId } from '../../core/model/ids.ts';
import type { ProcessRunner } from '../../core/ports/host.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import { directoryEntries } from './directory-entries.ts';
import { linkPrefix, ownerInName } from './named-owner.ts';

const IP_MS = 10_000;

/** Network links of the daemon's namespace. Mark: `v`, instance and short id. */
export class LinkLedger implements LedgerKind {
  readonly kind = 'link';
  readonly #instance: InstanceId;
  readonly #runner: ProcessRunner;
  readonly #home: string;

  constructor(instance: InstanceId, runner: ProcessRunner, home = '/sys/class/net') {
    this.#instance = instance;
    this.#runner = runner;
    this.#home = home;
  }

  async find(): Promise<readonly FoundResource[]> {
    return (await directoryEntries(this.#home)).flatMap(({ name }): readonly FoundResource[] => {
      const owner = ownerInName(name, linkPrefix(this.#instance));
      return owner === undefined ? [] : [{ kind: 'link', name, owner, containerId: undefined, attributes: {} }];
    });
  }

  async remove(found: FoundResource): Promise<void> {
    const result = await this.#runner.run('ip', ['link', 'delete', 'dev', found.name], { timeoutMs: IP_MS });
    if (result.code === 0 || /Cannot find device/i.test(result.stderr)) return;
    throw new DomainError('HOST_RESOURCE', `ip link delete ${found.name}: ${result.stderr.trim()}`);
  }
}
