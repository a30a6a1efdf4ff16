import type { Metrics } from '../../../src/core/ports/telemetry.ts';

/** Counts what the agents room counts. */
export class CountedMetrics implements Pick<Metrics, 'agentRpc' | 'dropped'> {
  readonly calls: { method: string; code: string }[] = [];
  readonly drops: string[] = [];

  agentRpc(method: string, code: string): void {
    this.calls.push({ method, code });
  }

  dropped(what: string): void {
    this.drops.push(what);
  }
}
