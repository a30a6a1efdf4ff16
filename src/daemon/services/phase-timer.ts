import type { Phase } from '../../core/model/outcome.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { Metrics } from '../../core/ports/telemetry.ts';

/** Times the parts of one call, in the order in which they began. */
export class PhaseTimer {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #phases: Phase[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
  }

  /** Times one part; a part that fails is listed too. */
  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const began = this.#clock.monotonicMs();
    try {
      return await work();
    } finally {
      this.add(name, began, this.#clock.monotonicMs());
    }
  }

  /** Times are of the clock's monotonicMs. */
  add(name: string, beganMs: number, endedMs: number): void {
    this.#phases.push({ name, offsetMs: beganMs - this.#startMs, durationMs: endedMs - beganMs });
  }

  /** All parts so far, then the whole. */
  finish(): readonly Phase[] {
    const total: Phase = { name: 'total', offsetMs: 0, durationMs: this.#clock.monotonicMs() - this.#startMs };
    return [...this.#phases].sort((a, b) => a.offsetMs - b.offsetMs).concat(total);
  }

  /** As `finish`, at the end of a call that went well: each part is counted under the name of the operation. */
  finishAs(operation: string, metrics: Pick<Metrics, 'phase'>): readonly Phase[] {
    const phases = this.finish();
    for (const phase of phases) metrics.phase(operation, phase.name, phase.durationMs / 1000);
    return phases;
  }
}
