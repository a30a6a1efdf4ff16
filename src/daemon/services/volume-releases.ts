import { toDomainError } from '../../core/model/errors.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { EventOperations } from './facade.ts';

export interface VolumeReleasesParts {
  readonly events: EventOperations;
  readonly sweep: () => Promise<unknown>;
  readonly log: Logger;
}

/** Volumes that were made for one container go with it. Ends with the events. */
export async function releaseVolumes({ events, sweep, log }: VolumeReleasesParts): Promise<void> {
  try {
    for await (const message of events.watch({ cursor: '', follow: true }, {})) {
      if (message.kind === 'lost' || message.event.type === 'CONTAINER_DELETED' || message.event.type === 'SANDBOX_DELETED') await sweep();
    }
  } catch (error) {
    log.warn({ error: toDomainError(error).message }, 'volumes that are to go stay until the next sweep');
  }
}
