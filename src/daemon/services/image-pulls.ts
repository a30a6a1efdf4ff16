import { linkSignals } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ImageRecord } from '../../core/model/image.ts';
import type { ImageLibrary, ImageTool, PullCall, UnpackedImage } from '../../core/ports/images.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { ImageProgress } from '../../core/ports/images.ts';
import type { Failpoints } from '../../core/ports/failpoints.ts';
import { ImageRun } from './image-run.ts';
import type { ImageTurns } from './image-turns.ts';
import { ProgressBoard } from './progress-board.ts';
import { SharedWork } from '../../base/shared-work.ts';

export interface ImagePullsParts {
  readonly library: ImageLibrary;
  readonly tool: ImageTool;
  readonly turns: ImageTurns;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly failpoints: Failpoints | undefined;
}

export interface Pulled {
  readonly id: string;
  readonly upToDate: boolean;
  readonly fetchedBytes: number;
}

interface RunningPull {
  readonly work: SharedWork<Pulled>;
  readonly board: ProgressBoard;
}

/** Pulls, each under way once: who asks for what another is fetching the same way waits for that one. It is given up when the last of them has gone. */
export class ImagePulls {
  readonly #parts: ImagePullsParts;
  readonly #running = new Map<string, RunningPull>();

  constructor(parts: ImagePullsParts) {
    this.#parts = parts;
  }

  /** Progress as it comes; the outcome is what the generator returns. */
  async *pull(call: PullCall, signal: AbortSignal | undefined): AsyncGenerator<ImageProgress, Pulled, undefined> {
    const { work, board } = await this.#join(call, signal);
    // A caller that stops to iterate has gone, too.
    using own = linkSignals(signal);
    const outcome = work.join(own.signal);
    outcome.catch(() => undefined);
    let seen = false;
    try {
      yield* board.watch(outcome);
      seen = true;
      return await outcome;
    } finally {
      if (!seen) own.abort(new DomainError('CANCELLED', 'the caller went away'));
    }
  }

  async #join(call: PullCall, signal: AbortSignal | undefined): Promise<RunningPull> {
    const key = JSON.stringify([call.reference, call.platform, call.insecure, call.auth]);
    for (;;) {
      const running = this.#running.get(key);
      if (running === undefined) return this.#begin(key, call);
      if (!running.work.abandoned) return running;
      await running.work.ended(signal);
    }
  }

  #begin(key: string, call: PullCall): RunningPull {
    const board = new ProgressBoard();
    const work = new SharedWork(async (signal) => {
      try {
        return await this.#fetch(call, board, signal);
      } finally {
        this.#running.delete(key);
      }
    });
    const running = { work, board };
    this.#running.set(key, running);
    return running;
  }

  async #fetch(call: PullCall, board: ProgressBoard, signal: AbortSignal): Promise<Pulled> {
    const { library, tool, turns, clock, failpoints } = this.#parts;
    using _turn = await turns.begin(signal);
    const run = new ImageRun(failpoints, 'image-pull', call.reference);
    const { images, fetchedBytes } = await run.step('fetch', async () => await tool.pull(call, (progress) => { board.report(progress); }, { signal }), { signal });
    const [image] = images;
    if (image === undefined) throw new DomainError('IMAGE_INVALID', `pull ${call.reference}: the image tool brought no image`);
    const upToDate = fetchedBytes === 0 && library.find(call.reference)?.record.id === image.configDigest;
    await run.step('record', async () => { await library.add(imageRecord(image, clock.wallMs()), [call.reference]); }, { signal });
    return { id: image.configDigest, upToDate, fetchedBytes };
  }
}

/** What is written down of an image that the tool has unpacked. */
export function imageRecord(image: UnpackedImage, nowMs: number): ImageRecord {
  const { architecture, variant, os } = image.platform;
  return {
    id: image.configDigest,
    manifestDigest: image.manifestDigest,
    source: image.source,
    os,
    architecture: variant === '' ? architecture : `${architecture}/${variant}`,
    settings: image.settings,
    layers: image.layers,
    createdAtMs: image.createdAtMs,
    pulledAtMs: nowMs,
    removed: false,
  };
}
