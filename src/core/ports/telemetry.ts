/** Structured log, as small as we use it. */
export interface Logger {
  child(bindings: Readonly<Record<string, string | number>>): Logger;
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What is counted. Implemented on one injected registry (host/prom-metrics.ts); no id is ever a label. */
export interface Metrics {
  rpc(method: string, code: string, seconds: number): void;
  agentRpc(method: string, code: string, seconds: number): void;
  phase(operation: string, phase: string, seconds: number): void;
  sandboxState(from: string | undefined, to: string | undefined): void;
  ended(kind: 'sandbox' | 'container' | 'exec', cause: string): void;
  dropped(what: string): void;
  checkpointFailures(count: number): void;
  /** A record that is newer than the one on disk: one more, or one less. */
  unsaved(change: 1 | -1): void;
}

/** What the last audit of the host found. */
export interface LedgerMetrics {
  ledger(counts: readonly { readonly kind: string; readonly state: string; readonly count: number }[]): void;
  /** An orphan was removed. */
  reaped(kind: string): void;
}
