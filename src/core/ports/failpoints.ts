import type { PlanName, PlanRecord, StepOf } from '../machine/plans.ts';
import type { WaitOptions } from './host.ts';

/** Where a run can be made to stand still or fail: around each step of each plan, and between a record and what follows from it. */
export type Failpoint = { readonly [P in PlanName]: `${P}/${StepOf<P>}/${'before' | 'after'}` }[PlanName] | `record/${PlanRecord}`;

/**
 * Faults on command, for tests of this daemon: a host that serves has none, and then nothing is called.
 *
 * `subject` is the sandbox's name; of an image the reference or the path that was asked for.
 * `reach` answers undefined at once when nothing is armed for this point and subject. Otherwise it waits, or rejects with the fault.
 */
export interface Failpoints {
  reach(point: Failpoint, subject: string, options?: WaitOptions): Promise<void> | undefined;
}
