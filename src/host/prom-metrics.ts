import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { LedgerMetrics, Metrics } from '../core/ports/telemetry.ts';

const CALL_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What one role of processes uses, summed over all sandboxes. */
export interface RoleUsage {
  readonly role: string;
  readonly processes: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly pssBytes: number;
}

/** Every metric of the daemon, declared here and nowhere else, on a registry of its own. No id is a label. */
export class PromMetrics implements Metrics, LedgerMetrics {
  readonly registry = new Registry();
  readonly #rpc = new Counter({ name: 'vivarium_rpc_total', help: 'Calls answered, by method and gRPC code.', labelNames: ['method', 'code'], registers: [this.registry] });
  readonly #rpcSeconds = new Histogram({ name: 'vivarium_rpc_duration_seconds', help: 'Time from request to answer, by method and gRPC code.', labelNames: ['method', 'code'], buckets: CALL_SECONDS, registers: [this.registry] });
  readonly #agentRpc = new Counter({ name: 'vivarium_agent_rpc_total', help: 'Calls to guest agents, by method and outcome.', labelNames: ['method', 'code'], registers: [this.registry] });
  readonly #agentSeconds = new Histogram({ name: 'vivarium_agent_rpc_duration_seconds', help: 'Time a guest agent took to answer, by method and outcome.', labelNames: ['method', 'code'], buckets: CALL_SECONDS, registers: [this.registry] });
  readonly #phase = new Histogram({ name: 'vivarium_phase_duration_seconds', help: 'Time each part of a long operation took.', labelNames: ['operation', 'phase'], buckets: CALL_SECONDS, registers: [this.registry] });
  readonly #sandboxes = new Gauge({ name: 'vivarium_sandboxes', help: 'Sandboxes, by state.', labelNames: ['state'], registers: [this.registry] });
  readonly #ended = new Counter({ name: 'vivarium_ended_total', help: 'Sandboxes, containers and execs that ended, by cause.', labelNames: ['kind', 'cause'], registers: [this.registry] });
  readonly #dropped = new Counter({ name: 'vivarium_dropped_total', help: 'What was set aside and not acted on, by kind.', labelNames: ['what'], registers: [this.registry] });
  readonly #checkpoints = new Counter({ name: 'vivarium_checkpoint_failures_total', help: 'Records that could not be written at once.', registers: [this.registry] });
  readonly #unsaved = new Gauge({ name: 'vivarium_unsaved_records', help: 'Records that are newer than what is on disk; each is tried again every second.', registers: [this.registry] });
  readonly #ledger = new Gauge({ name: 'vivarium_ledger_resources', help: 'Host resources at the last audit, by kind and state.', labelNames: ['kind', 'state'], registers: [this.registry] });
  readonly #orphans = new Gauge({ name: 'vivarium_ledger_orphans', help: 'Host resources that no record claimed at the last audit.', registers: [this.registry] });
  readonly #audited = new Gauge({ name: 'vivarium_ledger_audited_seconds', help: 'When the last audit was over, in seconds since the epoch; 0: there was none.', registers: [this.registry] });
  readonly #reaped = new Counter({ name: 'vivarium_reaped_total', help: 'Orphans that were removed, by kind.', labelNames: ['kind'], registers: [this.registry] });
  readonly #lag = monitorEventLoopDelay({ resolution: 10 });

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'vivarium_daemon_' });
    this.#lag.enable();
    const lag = this.#lag;
    new Gauge({
      name: 'vivarium_event_loop_lag_seconds',
      help: 'Delay of the event loop since the last scrape.',
      labelNames: ['quantile'],
      registers: [this.registry],
      collect() {
        for (const quantile of [50, 90, 99]) this.set({ quantile: String(quantile / 100) }, lag.percentile(quantile) / 1e9);
        lag.reset();
      },
    });
  }

  rpc(method: string, code: string, seconds: number): void {
    this.#rpc.inc({ method, code });
    this.#rpcSeconds.observe({ method, code }, seconds);
  }

  agentRpc(method: string, code: string, seconds: number): void {
    this.#agentRpc.inc({ method, code });
    this.#agentSeconds.observe({ method, code }, seconds);
  }

  phase(operation: string, phase: string, seconds: number): void {
    this.#phase.observe({ operation, phase }, seconds);
  }

  sandboxState(from: string | undefined, to: string | undefined): void {
    if (from !== undefined) this.#sandboxes.dec({ state: from });
    if (to !== undefined) this.#sandboxes.inc({ state: to });
  }

  ended(kind: 'sandbox' | 'container' | 'exec', cause: string): void {
    this.#ended.inc({ kind, cause });
  }

  dropped(what: string): void {
    this.#dropped.inc({ what });
  }

  checkpointFailures(count: number): void {
    this.#checkpoints.inc(count);
  }

  unsaved(change: 1 | -1): void {
    this.#unsaved.inc(change);
  }

  ledger(counts: readonly { readonly kind: string; readonly state: string; readonly count: number }[]): void {
    this.#ledger.reset();
    for (const { kind, state, count } of counts) this.#ledger.set({ kind, state }, count);
    this.#orphans.set(counts.filter(({ state }) => state === 'orphaned').reduce((sum, { count }) => sum + count, 0));
    this.#audited.setToCurrentTime();
  }

  reaped(kind: string): void {
    this.#reaped.inc({ kind });
  }

  /** Devices of all sandboxes by state, counted at each scrape. */
  countDevices(read: () => Iterable<string>): void {
    new Gauge({
      name: 'vivarium_devices',
      help: 'Devices that were plugged into sandboxes, by state.',
      labelNames: ['state'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const state of read()) this.inc({ state });
      },
    });
  }

  /** What the processes of sandboxes use, read once a scrape. */
  collectUsage(read: () => Promise<readonly RoleUsage[]>): void {
    let running: Promise<readonly RoleUsage[]> | undefined;
    // All gauges of one scrape are collected at once, so that they share one reading.
    const shared = async (): Promise<readonly RoleUsage[]> => {
      running ??= read().finally(() => { running = undefined; });
      return await running;
    };
    const gauge = (name: string, help: string, value: (usage: RoleUsage) => number): void => {
      new Gauge({
        name,
        help,
        labelNames: ['role'],
        registers: [this.registry],
        async collect(this: Gauge) {
          this.reset();
          for (const usage of await shared()) this.set({ role: usage.role }, value(usage));
        },
      });
    };
    gauge('vivarium_processes', 'Processes of sandboxes, by role.', (usage) => usage.processes);
    gauge('vivarium_processes_cpu_seconds', 'CPU time of the processes that live, by role.', (usage) => usage.cpuSeconds);
    gauge('vivarium_processes_resident_bytes', 'Resident memory, by role.', (usage) => usage.rssBytes);
    gauge('vivarium_processes_proportional_bytes', 'Proportional share of memory (PSS), by role.', (usage) => usage.pssBytes);
  }
}
