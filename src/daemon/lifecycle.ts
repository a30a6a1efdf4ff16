import { readFile } from 'node:fs/promises';
import { DomainError, toDomainError } from '../core/model/errors.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { lockDirectory } from '../host/directory-lock.ts';
import { SystemFiles } from '../host/files.ts';
import { SystemIdSource } from '../host/id-source.ts';
import { readInstanceId } from '../host/instance-id.ts';
import { readProcessUsage } from '../host/proc-usage.ts';
import type { PromMetrics } from '../host/prom-metrics.ts';
import { sandboxRegistry } from '../host/sandbox-metrics.ts';
import type { ServiceManager } from '../host/service-manager.ts';
import { UndoStack } from '../base/async-stack.ts';
import { MetricsHttp } from './api/metrics-http.ts';
import { ApiServer } from './api/server.ts';
import type { DaemonConfig } from './config.ts';
import type { InstallPaths } from './install-paths.ts';
import { AuditSchedule } from './services/audit-schedule.ts';
import { figuresOf, usageByRole } from './services/stats.ts';
import { wire, type Wired } from './wiring.ts';

const CLOSE_MS = 2000;

export interface DaemonParts {
  readonly config: DaemonConfig;
  readonly install: InstallPaths;
  /** Undefined: nobody waits to be told. */
  readonly serviceManager: ServiceManager | undefined;
  readonly logger: Logger;
  readonly metrics: PromMetrics;
}

/** A daemon that serves. */
export interface RunningDaemon {
  readonly address: string;
  /** Everything found at start is adopted or settled. */
  readonly settled: Promise<void>;
  /** Stops serving and lets go of every VM; they go on. */
  stop(): Promise<void>;
}

/** Starts in order: lock, records, API, recovery. What was started is stopped in reverse, also when a later part fails. */
export async function startDaemon(parts: DaemonParts): Promise<RunningDaemon> {
  const { config, logger, metrics, install } = parts;
  const stack = new UndoStack();
  try {
    stack.use(await lockDirectory(config.root));
    stack.use(await lockDirectory(config.run));
    const startedAtMs = Date.now();
    const instance = await readInstanceId(config.root, new SystemFiles(), new SystemIdSource());
    const wired = await wire({ ...parts, instance, startedAtMs });
    stack.defer(() => release(wired));
    const { settled } = await wired.recovery.begin();
    const audits = new AuditSchedule({ audit: wired.audit, clock: wired.deps.clock, log: logger, intervalMs: config.auditInterval, reapOnStart: config.reapOnStart });
    stack.defer(() => { audits.stop(); });
    audits.begin(settled);
    // What an earlier daemon's image tool was at.
    settled.then(() => wired.images.sweep()).catch((error: unknown) => { logger.error({ error }, 'the images were not swept'); });
    settled.then(() => wired.deps.volumes.sweep()).catch((error: unknown) => { logger.error({ error }, 'the volumes were not swept'); });
    metrics.countDevices(() => wired.registry.sandboxes.flatMap(({ record }) => record.devices.map(({ state }) => state)));
    metrics.collectUsage(() => usageByRole(wired.registry.sandboxes, (pid) => readProcessUsage(pid)));
    wired.deps.trash.empty(wired.deps.places.trashDir);
    const server = new ApiServer({ services: wired.services, requests: wired.requests, clock: wired.deps.clock, ids: wired.deps.ids, logger, metrics, descriptorSet: await readFile(install.descriptorSet) });
    const address = await server.listen(config.listen);
    stack.defer(() => server.stop({ streamsMs: config.drainStreams, callsMs: config.drainCalls, closeMs: CLOSE_MS }));
    await serveMetrics(parts, wired, stack);
    stack.defer(() => {
      wired.manager.drain();
      wired.deps.hub.close();
    });
    stack.defer(async () => wired.notifier?.stopping());
    server.setServing(true);
    await wired.notifier?.ready();
    await wired.deps.hub.publish({ type: 'DAEMON_STARTED', atMs: startedAtMs, sandboxId: '', containerId: '', name: '', message: '', attributes: { pid: String(process.pid), instance } });
    logger.info({ address, instance, root: config.root, run: config.run }, 'serving');
    wired.warmUp().catch((error: unknown) => { logger.warn({ error }, 'the VMM could not be asked'); });
    settled.then(() => server.settleRequests()).catch((error: unknown) => { logger.error({ error }, 'recovery failed'); });
    return { address, settled, stop: async () => stack[Symbol.asyncDispose]() };
  } catch (error) {
    await stack[Symbol.asyncDispose]().catch((problem: unknown) => { logger.error({ error: problem }, 'not stopped whole'); });
    throw toDomainError(error);
  }
}

async function serveMetrics({ config, logger, metrics }: DaemonParts, wired: Wired, stack: UndoStack): Promise<void> {
  if (config.metrics === 'none') return;
  const perSandbox = config.metricsSandboxes ? sandboxRegistry(() => figuresOf(wired.registry.sandboxes, (pid) => readProcessUsage(pid))) : undefined;
  const http = new MetricsHttp({ registry: metrics.registry, sandboxRegistry: perSandbox, healthy: () => true, logger, allowRemote: config.metricsRemote });
  const port = await http.listen(config.metrics.host, config.metrics.port);
  stack.defer(() => http.stop());
  logger.info({ host: config.metrics.host, port }, 'metrics');
}

async function release(wired: Wired): Promise<void> {
  wired.notifier?.stop();
  wired.recovery.release();
  for (const exec of wired.registry.execs) exec.release();
  await Promise.all(wired.registry.sandboxes.map((unit) => unit.release()));
  await wired.close();
}

/** 3: another daemon holds a directory; 1: anything else. */
export function exitCodeOf(error: unknown): number {
  return error instanceof DomainError && error.details.facts?.['holder'] !== undefined ? 3 : 1;
}
