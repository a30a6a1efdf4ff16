import type { SandboxRecord } from '../../core/model/record.ts';
import { bootRun } from './boot-run.ts';
import type { Deps } from './deps.ts';
import { cleanRun, deleteRun, stopRun } from './end-runs.ts';
import { pauseRun, resumeRun } from './pause-runs.ts';
import { SandboxUnit, type Runs } from './sandbox-unit.ts';

/** What each effect of the machine does: one without its run does not compile. */
const RUNS: Runs = {
  'run-boot': bootRun,
  'run-pause': pauseRun,
  'run-resume': resumeRun,
  'run-stop': stopRun,
  'run-clean': cleanRun,
  'run-delete': deleteRun,
};

export function makeUnit(deps: Deps, record: SandboxRecord): SandboxUnit {
  return new SandboxUnit(deps, record, RUNS);
}

/** Of a sandbox that an earlier daemon wrote down; what lived then is `recovering` until it is found again. */
export function makeFoundUnit(deps: Deps, stored: SandboxRecord): SandboxUnit {
  const settled = stored.state === 'stopped' || stored.state === 'failed';
  return new SandboxUnit(deps, settled ? stored : { ...stored, state: 'recovering' }, RUNS, stored);
}
