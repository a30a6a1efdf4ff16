import { toDomainError } from '../../core/model/errors.ts';
import type { ImageLibrary } from '../../core/ports/images.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { EventOperations } from './facade.ts';

export interface ImageReleasesParts {
  readonly events: EventOperations;
  readonly library: ImageLibrary;
  readonly sweep: () => Promise<unknown>;
  readonly log: Logger;
}

/** An image that was removed while containers used it goes with the last of them. Ends with the events. */
export async function releaseImages({ events, library, sweep, log }: ImageReleasesParts): Promise<void> {
  try {
    for await (const message of events.watch({ cursor: '', follow: true }, {})) {
      const gone = message.kind === 'lost' || message.event.type === 'CONTAINER_DELETED' || message.event.type === 'SANDBOX_DELETED';
      if (gone && library.images.some(({ record }) => record.removed)) await sweep();
    }
  } catch (error) {
    log.warn({ error: toDomainError(error).message }, 'removed images stay until the next sweep');
  }
}
