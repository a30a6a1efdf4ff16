import type { Clients } from '../client/clients.ts';
import { daemonFailure } from '../client/daemon-failure.ts';
import type { CommandContext } from '../context.ts';

const removalTimeoutMs = 60_000;

/** Something that we made in the daemon and that goes away with us, unless it is kept. */
export interface Removal extends AsyncDisposable {
  keep(): void;
}

/** Nothing to remove. */
export const nothingToRemove: Removal = { keep: () => undefined, [Symbol.asyncDispose]: async () => undefined };

/** The sandbox is deleted with all that is in it. What the daemon has removed by then (auto_remove) is removed. */
export const sandboxRemoval = (context: CommandContext, clients: Clients<'sandboxes'>, sandboxId: string): Removal =>
  removal(context, `sandbox ${sandboxId}`, (signal) => clients.sandboxes.deleteSandbox({ requestId: context.host.newId(), sandboxId, force: true, removeVolumes: true }, { signal }));

export const containerRemoval = (context: CommandContext, clients: Clients<'containers'>, containerId: string): Removal =>
  removal(context, `container ${containerId}`, (signal) => clients.containers.deleteContainer({ requestId: context.host.newId(), containerId, force: true, removeVolumes: true }, { signal }));

function removal(context: CommandContext, what: string, remove: (signal: AbortSignal) => Promise<unknown>): Removal {
  let kept = false;
  return {
    keep: () => { kept = true; },
    [Symbol.asyncDispose]: async () => {
      if (kept) return;
      try {
        // A deadline of its own: the command's signal may have aborted, which is why we are here.
        await remove(AbortSignal.timeout(removalTimeoutMs));
      } catch (error) {
        if (isGone(error)) return;
        const message = daemonFailure(error)?.message ?? String(error);
        context.host.stderr.write(`viv: warning: could not remove ${what}: ${message}\n`);
      }
    },
  };
}

function isGone(error: unknown): boolean {
  const reason = daemonFailure(error)?.reason;
  return reason === 'SANDBOX_NOT_FOUND' || reason === 'CONTAINER_NOT_FOUND';
}
