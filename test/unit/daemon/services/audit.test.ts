import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { RESOURCE_KINDS, type ResourceKind } from '../../../../src/core/model/ledger.ts';
import type { FoundResource, Ledger } from '../../../../src/core/ports/ledger.ts';
import { Audit, type AuditReport } from '../../../../src/daemon/services/audit.ts';
import { AuditSchedule } from '../../../../src/daemon/services/audit-schedule.ts';
import type { Claim } from '../../../../src/daemon/services/claims.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';

const OWNER = '5678abcdef';
const LIVE: Claim = { id: `0190f4a8b7c27def8a1234${OWNER}`, standing: 'live', epoch: 1, containerIds: new Set(), resources: [], detail: 'ready' };
const ONCE = { reap: false, retryFailed: false };
const REAP = { reap: true, retryFailed: false };

function resource(kind: ResourceKind, name: string = kind, more: Partial<FoundResource> = {}): FoundResource {
  return { kind, name, owner: OWNER, containerId: undefined, attributes: {}, ...more };
}

/** A host whose resources are a list, and the audit over it. */
class Host {
  readonly clock = new ManualClock();
  readonly log = new MemoryLogger();
  readonly claims = new Map<string, Claim>();
  readonly acts: string[] = [];
  readonly told: string[] = [];
  readonly refusals = new Map<ResourceKind, number>();
  foreign: string | undefined;
  looks = 0;
  /** Called before each look. */
  onLook: (look: number) => void = () => undefined;
  onRemove: () => void = () => undefined;
  orphans: number | undefined;
  reapedKinds: string[] = [];
  resources: FoundResource[];

  constructor(...resources: FoundResource[]) {
    this.resources = resources;
  }

  readonly audit = new Audit({
    ledger: Object.fromEntries(RESOURCE_KINDS.map((kind) => [kind, this.#kind(kind)])) as unknown as Ledger,
    clock: this.clock,
    log: this.log,
    metrics: {
      ledger: (counts) => { this.orphans = counts.filter(({ state }) => state === 'orphaned').reduce((sum, { count }) => sum + count, 0); },
      reaped: (kind) => { this.reapedKinds.push(kind); },
    },
    instance: 'ab12',
    claims: () => new Map(this.claims),
    instanceOf: async () => this.foreign,
    retryFailed: async () => {
      this.acts.push('retry failed');
      return [];
    },
    announce: async ({ kind, name }) => { this.told.push(`${kind} ${name}`); },
  });

  /** Runs it to its end, moving time as it asks for it. */
  async run(request = ONCE): Promise<AuditReport> {
    const running = this.audit.run(request);
    const state = { over: false };
    running.then(() => { state.over = true; }, () => { state.over = true; });
    for (let turn = 0; turn < 200 && !state.over; turn += 1) await this.clock.advance(100);
    return await running;
  }

  #kind(kind: ResourceKind): Ledger[ResourceKind] {
    return {
      kind,
      find: async () => {
        if (kind === RESOURCE_KINDS[0]) this.onLook(this.looks += 1);
        return this.resources.filter((one) => one.kind === kind);
      },
      remove: async (found) => {
        this.acts.push(`${kind} ${found.name}`);
        this.onRemove();
        const left = this.refusals.get(kind) ?? 0;
        if (left > 0) {
          this.refusals.set(kind, left - 1);
          throw new DomainError('HOST_RESOURCE', `${kind} is busy`);
        }
        this.resources = this.resources.filter((one) => one !== found);
      },
    };
  }
}

describe('an audit', () => {
  it('looks once when all is well', async () => {
    const host = new Host(resource('mount'));
    host.claims.set(OWNER, LIVE);
    expect((await host.run()).counts).toEqual([{ kind: 'mount', state: 'owned', count: 1 }]);
    expect(host.looks).toBe(1);
    expect(host.orphans).toBe(0);
  });

  it('calls nothing an orphan that one look alone has seen', async () => {
    const host = new Host(resource('mount'));
    host.onLook = (look) => { if (look === 2) host.resources = [resource('socket')]; };
    expect((await host.run()).resources.map(({ kind, state }) => [kind, state])).toEqual([['socket', 'in-flight']]);
  });

  it('takes a pid that was given to another process for something new', async () => {
    const host = new Host(resource('process', 'vmm', { attributes: { pid: '7', start_time: '1' } }));
    host.onLook = (look) => { if (look === 2) host.resources = [resource('process', 'vmm', { attributes: { pid: '7', start_time: '2' } })]; };
    expect((await host.run()).resources.map(({ state }) => state)).toEqual(['in-flight']);
  });

  it('takes no sandbox for an orphan that is created while it looks', async () => {
    const host = new Host(resource('mount'));
    host.onLook = () => { host.claims.set(OWNER, LIVE); };
    expect((await host.run()).resources.map(({ state }) => state)).toEqual(['in-flight']);
  });

  it('tells what is missing once two looks agree', async () => {
    const host = new Host();
    host.claims.set(OWNER, { ...LIVE, resources: [{ kind: 'socket', name: 'qmp', attributes: {} }] });
    expect((await host.run()).resources).toMatchObject([{ kind: 'socket', name: 'qmp', state: 'missing', sandboxId: LIVE.id }]);
    expect(host.looks).toBe(2);
  });

  it('removes nothing unless it is asked to', async () => {
    const host = new Host(resource('mount'));
    expect((await host.run()).resources.map(({ state }) => state)).toEqual(['orphaned']);
    expect(host.acts).toEqual([]);
    expect(host.orphans).toBe(1);
  });

  it('leaves alone what another instance launched, whatever records there are', async () => {
    const host = new Host(resource('mount'), resource('directory'));
    host.foreign = 'cd34';
    const report = await host.run(REAP);
    expect(report.resources.map(({ state }) => state)).toEqual(['unreadable', 'unreadable']);
    expect(host.acts).toEqual([]);
  });

  it('deletes failed sandboxes again only when asked', async () => {
    const host = new Host();
    await host.run(REAP);
    expect(host.acts).toEqual([]);
    await host.run({ reap: false, retryFailed: true });
    expect(host.acts).toEqual(['retry failed']);
  });

  it('ends with its caller', async () => {
    const host = new Host(resource('mount'));
    const gone = new AbortController();
    const running = host.audit.run(ONCE, { signal: gone.signal });
    await settle();
    gone.abort(new Error('went away'));
    await expect(running).rejects.toThrow('went away');
  });
});

describe('the reaper', () => {
  it('removes what runs before what it held, directories after all else of a sandbox, and images and volumes last', async () => {
    const host = new Host(...[...RESOURCE_KINDS].filter((kind) => kind !== 'trash').reverse().map((kind) => resource(kind)));
    const report = await host.run(REAP);
    expect(host.acts).toEqual(['process process', 'launcher launcher', 'socket socket', 'mount mount', 'link link', 'netns netns', 'cgroup cgroup', 'vfio vfio', 'directory directory', 'image image', 'volume volume']);
    expect(report.resources).toEqual([]);
    expect(report.removed).toHaveLength(11);
    expect(host.told).toHaveLength(11);
    expect(host.reapedKinds).toHaveLength(11);
    expect(host.orphans).toBe(0);
  });

  it('tries again what resists, longer and longer', async () => {
    const host = new Host(resource('mount'));
    host.refusals.set('mount', 3);
    const report = await host.run(REAP);
    expect(report.removed).toHaveLength(1);
    expect(host.acts).toHaveLength(4);
  });

  it('says what resists and why, and touches nothing that may depend on it', async () => {
    const host = new Host(resource('process', 'vmm'), resource('mount'), resource('directory'), resource('mount', 'other', { owner: '0000000001' }));
    host.refusals.set('process', 100);
    const report = await host.run(REAP);
    expect(report.resisting.map(({ resource: { kind }, reason }) => [kind, reason])).toEqual([['process', 'process is busy'], ['mount', 'waits for process vmm'], ['directory', 'waits for process vmm']]);
    expect(report.removed.map(({ name }) => name)).toEqual(['other']);
    expect(report.resources.filter(({ state }) => state === 'orphaned')).toHaveLength(3);
  });

  it('keeps the directory of what is still mounted', async () => {
    const host = new Host(resource('socket'), resource('mount'), resource('directory'));
    host.refusals.set('mount', 100);
    const report = await host.run(REAP);
    expect(report.removed.map(({ kind }) => kind)).toEqual(['socket']);
    expect(report.resisting.map(({ reason }) => reason)).toEqual(['mount is busy', 'waits for mount mount']);
  });

  it('lets go of what a record claims by the time its turn comes', async () => {
    const host = new Host(resource('process'), resource('mount'));
    host.onRemove = () => { host.claims.set(OWNER, LIVE); };
    expect((await host.run(REAP)).removed.map(({ kind }) => kind)).toEqual(['process']);
    expect(host.resources.map(({ kind }) => kind)).toEqual(['mount']);
  });
});

describe('the schedule', () => {
  function schedule(host: Host, more: { intervalMs?: number; reapOnStart?: boolean } = {}): AuditSchedule {
    return new AuditSchedule({ audit: host.audit, clock: host.clock, log: host.log, intervalMs: 60_000, reapOnStart: true, ...more });
  }

  it('waits for recovery, reaps once, and then only tells', async () => {
    const host = new Host(resource('mount', 'first'));
    let settled = (): void => undefined;
    const audits = schedule(host);
    audits.begin(new Promise<void>((resolve) => { settled = resolve; }));
    await host.clock.advance(60_000);
    expect(host.looks).toBe(0);
    settled();
    await host.clock.advance(2000);
    expect(host.acts).toEqual(['mount first']);
    host.resources = [resource('mount', 'second')];
    await host.clock.advance(62_000);
    expect(host.acts).toEqual(['mount first']);
    expect(host.orphans).toBe(1);
    audits.stop();
  });

  it('reaps nothing where that is switched off, and audits once without an interval', async () => {
    const host = new Host(resource('mount'));
    const audits = schedule(host, { intervalMs: 0, reapOnStart: false });
    audits.begin(Promise.resolve());
    await host.clock.advance(600_000);
    expect(host.acts).toEqual([]);
    expect(host.looks).toBe(2);
    audits.stop();
  });

  it('tells of each suspect once', async () => {
    const host = new Host(resource('mount'));
    const audits = schedule(host, { reapOnStart: false });
    audits.begin(Promise.resolve());
    await host.clock.advance(200_000);
    expect(host.log.lines.filter((line) => line.message === 'audit: orphaned')).toHaveLength(1);
    audits.stop();
  });
});
