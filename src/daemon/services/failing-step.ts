import type { Failpoint, Failpoints } from '../../core/ports/failpoints.ts';
import type { WaitOptions } from '../../core/ports/host.ts';

/** A step of a plan, and whom it is about. */
export interface StepPlace {
  readonly plan: string;
  readonly step: string;
  /** As `Failpoints.reach` has it. */
  readonly subject: string;
}

/** Takes a step between its two points of failure. */
export async function betweenPoints<T>(failpoints: Failpoints, { plan, step, subject }: StepPlace, work: () => Promise<T>, options: WaitOptions): Promise<T> {
  await failpoints.reach(`${plan}/${step}/before` as Failpoint, subject, options);
  const result = await work();
  await failpoints.reach(`${plan}/${step}/after` as Failpoint, subject, options);
  return result;
}
