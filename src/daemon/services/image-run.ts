import type { PlanName, StepOf } from '../../core/machine/plans.ts';
import type { Failpoints } from '../../core/ports/failpoints.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { betweenPoints } from './failing-step.ts';

type ImagePlan = Extract<PlanName, `image-${string}`>;

/** One run of an image's plan: as `PlanRun`, of no sandbox. */
export class ImageRun<P extends ImagePlan> {
  readonly #failpoints: Failpoints | undefined;
  readonly #plan: P;
  readonly #subject: string;

  /** `subject` is the reference or the path that was asked for. */
  constructor(failpoints: Failpoints | undefined, plan: P, subject: string) {
    this.#failpoints = failpoints;
    this.#plan = plan;
    this.#subject = subject;
  }

  async step<T>(name: StepOf<P>, work: () => Promise<T>, options: WaitOptions = {}): Promise<T> {
    if (this.#failpoints === undefined) return await work();
    return await betweenPoints(this.#failpoints, { plan: this.#plan, step: name, subject: this.#subject }, work, options);
  }
}
