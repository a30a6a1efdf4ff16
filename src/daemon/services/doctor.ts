import { deferred, raceSignal } from '../../base/abort.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { DoctorCheck } from './facade.ts';

/** What one check found; the name comes from its entry in the list. */
export type Finding = Omit<DoctorCheck, 'name'>;

export interface NamedCheck {
  readonly name: string;
  run(options: WaitOptions): Promise<Finding>;
}

/** No single check may hold up the answer; probing an accelerator starts a small VM. */
const CHECK_MS = 20_000;

/** Runs every check side by side and answers in the list's order. A check that fails to run is a finding too. */
export class Doctor {
  readonly #checks: readonly NamedCheck[];
  readonly #clock: Pick<Clock, 'timer'>;

  constructor(checks: readonly NamedCheck[], clock: Pick<Clock, 'timer'>) {
    this.#checks = checks;
    this.#clock = clock;
  }

  /** Rejects with the signal's reason only. */
  async examine(options: WaitOptions): Promise<readonly DoctorCheck[]> {
    return await raceSignal(Promise.all(this.#checks.map(async (check) => ({ name: check.name, ...(await this.#run(check, options)) }))), options.signal);
  }

  async #run(check: NamedCheck, options: WaitOptions): Promise<Finding> {
    const late = deferred<Finding>();
    const timer = this.#clock.timer(CHECK_MS, () => { late.resolve(fail(`no answer within ${CHECK_MS / 1000} s`, 'see the daemon log; the host may be overloaded')); });
    try {
      return await Promise.race([settled(check, options), late.promise]);
    } finally {
      timer[Symbol.dispose]();
    }
  }
}

async function settled(check: NamedCheck, options: WaitOptions): Promise<Finding> {
  try {
    return await check.run(options);
  } catch (error) {
    return fail(`the check itself failed: ${error instanceof Error ? error.message : String(error)}`, 'see the daemon log');
  }
}

export function ok(found: string): Finding {
  return { status: 'ok', found, remedy: '' };
}

export function warn(found: string, remedy: string): Finding {
  return { status: 'warn', found, remedy };
}

export function fail(found: string, remedy: string): Finding {
  return { status: 'fail', found, remedy };
}
