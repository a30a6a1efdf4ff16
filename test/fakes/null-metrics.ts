import type { Metrics } from '../../src/core/ports/telemetry.ts';

/** Counts nothing but what was dropped, by name. */
export class NullMetrics implements Metrics {
  readonly droppedNames: string[] = [];

  rpc(): void {}
  agentRpc(): void {}
  phase(): void {}
  sandboxState(): void {}
  ended(): void {}
  checkpointFailures(): void {}
  unsaved(): void {}

  dropped(what: string): void {
    this.droppedNames.push(what);
  }
}
