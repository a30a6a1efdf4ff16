import { appendFileSync, readFileSync } from 'node:fs';
import type { Failpoints } from '../core/ports/failpoints.ts';
import type { Clock } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { FailpointRules, parseFailpointRules } from '../host/failpoint-rules.ts';

/**
 * Arms what the file of `VIVARIUM_FAILPOINTS` names; undefined without one. What is reached is told in FILE.reached, a JSON line each,
 * written at once: the daemon may be killed at any of them.
 */
export function armedFailpoints(file: string | undefined, clock: Clock, logger: Logger): Failpoints | undefined {
  if (file === undefined || file === '') return undefined;
  const rules = parseFailpointRules(readFileSync(file, 'utf8'));
  logger.warn({ file, rules: rules.length }, 'points of failure are armed: this daemon is for tests');
  return new FailpointRules({
    rules,
    clock,
    onReached: (point, sandbox, armed) => { appendFileSync(`${file}.reached`, `${JSON.stringify({ point, sandbox, armed })}\n`); },
  });
}
