import { toDomainError } from '../../core/model/errors.ts';
import type { SandboxOperations } from './facade.ts';
import type { Registry } from './registry.ts';
import type { Resisting } from './reaper.ts';

/** Deletes again every sandbox that is `failed`, side by side; answers those that still resist, each by its directory of lasting state. */
export async function retryFailed(registry: Registry, sandboxes: Pick<SandboxOperations, 'delete'>, stateDir: (id: string) => string): Promise<readonly Resisting[]> {
  const failed = registry.sandboxes.filter(({ record }) => record.state === 'failed');
  const outcomes = await Promise.all(failed.map(async ({ id }): Promise<readonly Resisting[]> => {
    try {
      await sandboxes.delete(id, { force: true }, { requestId: '' });
      return [];
    } catch (error) {
      return [{
        resource: { kind: 'directory', name: stateDir(id), sandboxId: id, containerId: '', state: 'owned', detail: 'its sandbox is failed', attributes: {}, found: undefined },
        reason: toDomainError(error).message,
      }];
    }
  }));
  return outcomes.flat();
}
