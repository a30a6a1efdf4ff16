import { deferred, type Deferred } from '../../base/abort.ts';
import type { ImageProgress } from '../../core/ports/images.ts';

/**
 * How far a pull is, for several who watch. A slow one misses steps in between, never the last one of a layer, and slows nobody; one that comes
 * late sees first how far everything is.
 */
export class ProgressBoard {
  readonly #latest = new Map<string, ImageProgress>();
  readonly #watchers = new Set<Watcher>();

  report(progress: ImageProgress): void {
    this.#latest.set(progress.layer, progress);
    for (const watcher of this.#watchers) watcher.changed(progress.layer);
  }

  /** Ends when `over` settles, after the last change. */
  async *watch(over: Promise<unknown>): AsyncGenerator<ImageProgress, void, undefined> {
    const watcher = new Watcher(this.#latest.keys());
    this.#watchers.add(watcher);
    over.then(() => { watcher.end(); }, () => { watcher.end(); });
    try {
      for (let layers = await watcher.next(); layers !== undefined; layers = await watcher.next()) {
        for (const layer of layers) {
          const progress = this.#latest.get(layer);
          if (progress !== undefined) yield progress;
        }
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

class Watcher {
  #dirty: Set<string>;
  #ended = false;
  #woken: Deferred<undefined> | undefined;

  constructor(layers: Iterable<string>) {
    this.#dirty = new Set(layers);
  }

  changed(layer: string): void {
    this.#dirty.add(layer);
    this.#woken?.resolve(undefined);
  }

  end(): void {
    this.#ended = true;
    this.#woken?.resolve(undefined);
  }

  /** The layers that changed since; undefined: no more will. */
  async next(): Promise<readonly string[] | undefined> {
    while (this.#dirty.size === 0) {
      if (this.#ended) return undefined;
      this.#woken = deferred<undefined>();
      await this.#woken.promise;
    }
    const layers = [...this.#dirty];
    this.#dirty = new Set();
    return layers;
  }
}
