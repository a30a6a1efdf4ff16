import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/host/pino-logger.ts';
import { PromMetrics } from '../../../src/host/prom-metrics.ts';
import { sandboxRegistry } from '../../../src/host/sandbox-metrics.ts';

describe('the logger', () => {
  const logInto = (format: 'json' | 'pretty', level: 'debug' | 'info' = 'info'): { lines: string[]; logger: ReturnType<typeof createLogger> } => {
    const lines: string[] = [];
    return { lines, logger: createLogger({ level, format, write: (line) => { lines.push(line); } }) };
  };

  it('writes one JSON line an event, with the bindings of its parents', () => {
    const { lines, logger } = logInto('json');
    logger.child({ component: 'actor' }).child({ sandbox: 'x' }).warn({ n: 1 }, 'words');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', component: 'actor', sandbox: 'x', n: 1, msg: 'words', time: expect.stringMatching(/^\d{4}-.*Z$/) as unknown });
    expect(lines).toHaveLength(1);
  });

  it('keeps the bindings of a child to the child, and redacts among them as among fields', () => {
    const { lines, logger } = logInto('json');
    const child = logger.child({ sandbox: 'x', token: 'secret' });
    logger.info({}, 'parent');
    child.info({ sandbox: 'y' }, 'child');
    expect(lines[0]).not.toContain('sandbox');
    expect(lines[1]).not.toContain('secret');
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ sandbox: 'y', msg: 'child' });
  });

  it('keeps what may be secret out, and errors with their causes in', () => {
    const { lines, logger } = logInto('json');
    logger.error({ env: ['A=secret'], spec: { env: ['B=secret'] }, token: 'secret', err: new Error('outer', { cause: new Error('inner') }) }, 'failed');
    expect(lines[0]).not.toContain('secret');
    expect(lines[0]).toContain('outer');
    expect(lines[0]).toContain('inner');
  });

  it('says nothing below its level', () => {
    const { lines, logger } = logInto('json');
    logger.debug({}, 'quiet');
    expect(lines).toEqual([]);
  });

  it('writes a line for a person', () => {
    const { lines, logger } = logInto('pretty', 'debug');
    logger.debug({ path: '/x', n: 2 }, 'looked');
    expect(lines[0]).toMatch(/^\d{4}\S+Z DEBUG looked \(path=\/x n=2\)\n$/);
  });
});

describe('the metrics', () => {
  it('count what was told, by name', async () => {
    const metrics = new PromMetrics();
    metrics.rpc('vivarium.v1.SandboxService/Create', 'OK', 0.02);
    metrics.agentRpc('Check', 'OK', 0.001);
    metrics.phase('create', 'vmm-start', 0.03);
    metrics.sandboxState(undefined, 'creating');
    metrics.sandboxState('creating', 'ready');
    metrics.ended('sandbox', 'OPERATOR_STOP');
    metrics.dropped('qmp-event');
    metrics.ledger([{ kind: 'mount', state: 'owned', count: 7 }, { kind: 'mount', state: 'orphaned', count: 2 }]);
    metrics.reaped('mount');
    metrics.checkpointFailures(2);
    metrics.unsaved(1);
    metrics.unsaved(1);
    metrics.unsaved(-1);
    const text = await metrics.registry.metrics();
    for (const line of [
      'vivarium_rpc_total{method="vivarium.v1.SandboxService/Create",code="OK"} 1',
      'vivarium_rpc_duration_seconds_count{method="vivarium.v1.SandboxService/Create",code="OK"} 1',
      'vivarium_agent_rpc_total{method="Check",code="OK"} 1',
      'vivarium_phase_duration_seconds_sum{operation="create",phase="vmm-start"} 0.03',
      'vivarium_sandboxes{state="creating"} 0',
      'vivarium_sandboxes{state="ready"} 1',
      'vivarium_ended_total{kind="sandbox",cause="OPERATOR_STOP"} 1',
      'vivarium_dropped_total{what="qmp-event"} 1',
      'vivarium_ledger_resources{kind="mount",state="owned"} 7',
      'vivarium_ledger_orphans 2',
      'vivarium_reaped_total{kind="mount"} 1',
      'vivarium_checkpoint_failures_total 2',
      'vivarium_unsaved_records 1',
    ]) expect(text.split('\n')).toContain(line);
    expect(text).toContain('vivarium_event_loop_lag_seconds{quantile="0.99"}');
    expect(text).toContain('vivarium_daemon_process_resident_memory_bytes');
  });

  it('read what processes use when somebody scrapes, and not before', async () => {
    const metrics = new PromMetrics();
    let reads = 0;
    metrics.collectUsage(async () => {
      reads += 1;
      return [{ role: 'vmm', processes: 2, cpuSeconds: 1.5, rssBytes: 100, pssBytes: 60 }];
    });
    expect(reads).toBe(0);
    const text = await metrics.registry.metrics();
    expect(reads).toBe(1);
    expect(text).toContain('vivarium_processes{role="vmm"} 2');
    expect(text).toContain('vivarium_processes_cpu_seconds{role="vmm"} 1.5');
    expect(text).toContain('vivarium_processes_proportional_bytes{role="vmm"} 60');
  });

  it('two sets share nothing', async () => {
    const [one, two] = [new PromMetrics(), new PromMetrics()];
    one.checkpointFailures(3);
    await expect(two.registry.getSingleMetricAsString('vivarium_checkpoint_failures_total')).resolves.toContain('vivarium_checkpoint_failures_total 0');
  });
});

describe('per-sandbox figures', () => {
  it('are read once a scrape, and leave out what a guest did not say', async () => {
    let reads = 0;
    const registry = sandboxRegistry(async () => {
      reads += 1;
      return [{ id: 's1', name: 'web', state: 'running', memoryBytes: 10, cpuSeconds: 2, pssBytes: 7, guestMemoryUsedBytes: undefined, guestLoad1: 0.5 }];
    });
    const text = await registry.metrics();
    expect(reads).toBe(1);
    expect(text).toContain('vivarium_sandbox_running{sandbox="s1",name="web"} 1');
    expect(text).toContain('vivarium_sandbox_guest_load1{sandbox="s1",name="web"} 0.5');
    expect(text).not.toContain('vivarium_sandbox_guest_memory_used_bytes{');
  });
});
