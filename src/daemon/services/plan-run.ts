import type { PlanName, StepOf } from '../../core/machine/plans.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { betweenPoints } from './failing-step.ts';
import type { PhaseTimer } from './phase-timer.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** One run of a plan: each step is timed and has its points of failure. The only way to take a step. */
export class PlanRun<P extends PlanName> {
  readonly #unit: SandboxUnit;
  readonly #plan: P;
  readonly timer: PhaseTimer;

  constructor(unit: SandboxUnit, plan: P, timer: PhaseTimer) {
    this.#unit = unit;
    this.#plan = plan;
    this.timer = timer;
  }

  /** `options` are the run's own: a point of failure that waits is let go by the same signal as the step. */
  async step<T>(name: StepOf<P>, work: () => Promise<T>, options: WaitOptions = {}): Promise<T> {
    const { failpoints } = this.#unit.deps;
    if (failpoints === undefined) return await this.timer.time(name, work);
    const place = { plan: this.#plan, step: name, subject: this.#unit.record.name };
    return await this.timer.time(name, async () => await betweenPoints(failpoints, place, work, options));
  }
}
