import { deferred, raceSignal, type Deferred } from '../../base/abort.ts';
import type { SandboxEffect } from '../../core/machine/sandbox-machine.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { DomainEvent } from '../../core/model/events.ts';
import type { PlanRecord } from '../../core/machine/plans.ts';
import type { SandboxRecord } from '../../core/model/record.ts';
import type { Failpoints } from '../../core/ports/failpoints.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { announcements, conditionEvents } from './announce.ts';
import { apply, type Change, type Outcome, type RunOptions } from './change.ts';
import { withCondition, withoutCondition } from './conditions.ts';
import type { Deps } from './deps.ts';

/** Runs what the machine asks for; what comes of it is committed as a further change. */
export type EffectRunner = (effect: SandboxEffect, options: RunOptions) => void;

const RETRY_SAVE_MS = 1000;
const MAILBOX_LIMIT = 10_000;
/** The record on disk is older than what is true. */
const CHECKPOINT_FAILED = 'checkpoint_failed';

/** Its end is counted once, when it leaves these. */
const LIVES: ReadonlySet<SandboxRecord['state']> = new Set<SandboxRecord['state']>(['creating', 'ready', 'running', 'paused', 'recovering']);

type Changed = Outcome & { readonly kind: 'changed' };

interface Letter {
  readonly work: () => Promise<SandboxRecord>;
  readonly done: Deferred<SandboxRecord>;
}

/**
 * The only writer of one sandbox. Every change takes the same way, one after the other: step → record on disk → effects → announce.
 * Work runs beside the mailbox, never in it, so a stop or a VM's death is heard at any time.
 */
export class SandboxActor {
  readonly #deps: Deps;
  readonly #log: Logger;
  readonly #letters: Letter[] = [];
  readonly #watchers = new Set<() => void>();
  #record: SandboxRecord;
  /** What is on disk; undefined when a write that failed left that open. */
  #stored: SandboxRecord | undefined;
  #effects: EffectRunner = () => undefined;
  #gone = false;
  #busy = false;
  /** The record in memory is newer than the one on disk. */
  #unsaved = false;
  #retry: Disposable | undefined;

  /** `stored`: what an earlier daemon wrote down; none for a sandbox that begins. */
  constructor(deps: Deps, record: SandboxRecord, stored?: SandboxRecord) {
    this.#deps = deps;
    this.#record = record;
    this.#stored = stored;
    this.#log = deps.log.child({ sandbox: record.id });
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** What is on disk is older. */
  get unsaved(): boolean {
    return this.#unsaved;
  }

  /** Set once, before the first change. */
  onEffect(runner: EffectRunner): void {
    this.#effects = runner;
  }

  /** The first record of a sandbox: the intent, on disk before anything is made. */
  async begin(): Promise<void> {
    await this.#write(this.#record, false);
    await this.#deps.failpoints?.reach('record/sandbox:intent', this.#record.name);
    this.#deps.metrics.sandboxState(undefined, this.#record.state);
    await this.#deps.hub.publish({ type: 'SANDBOX_CREATING', atMs: this.#deps.clock.wallMs(), sandboxId: this.#record.id, containerId: '', name: this.#record.name, message: '', attributes: {} });
  }

  /** Resolves with the record after the change is on disk. Rejects WRONG_STATE, or CHECKPOINT_FAILED for a request that could not be recorded. */
  async commit(change: Change): Promise<SandboxRecord> {
    if (this.#letters.length >= MAILBOX_LIMIT) throw new DomainError('CAPACITY_EXHAUSTED', 'too many changes of this sandbox are waiting', { sandboxId: this.#record.id, remedy: 'slow down' });
    return await this.#post(() => this.#handle(change));
  }

  /** Resolves with the first record that satisfies it; with the last record when the sandbox is gone. */
  async until(satisfied: (record: SandboxRecord) => boolean, options: WaitOptions = {}): Promise<SandboxRecord> {
    while (!this.#gone && !satisfied(this.#record)) {
      const changed = deferred<undefined>();
      const watcher = (): void => { changed.resolve(undefined); };
      this.#watchers.add(watcher);
      try {
        await raceSignal(changed.promise, options.signal);
      } finally {
        this.#watchers.delete(watcher);
      }
    }
    return this.#record;
  }

  /** Stops retrying to save; the sandbox goes on. */
  release(): void {
    this.#retry?.[Symbol.dispose]();
  }

  async #post(work: () => Promise<SandboxRecord>): Promise<SandboxRecord> {
    const done = deferred<SandboxRecord>();
    this.#letters.push({ work, done });
    if (!this.#busy) void this.#work();
    return await done.promise;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let letter = this.#letters.shift(); letter !== undefined; letter = this.#letters.shift()) {
      try {
        letter.done.resolve(await letter.work());
      } catch (error) {
        letter.done.reject(toDomainError(error).within({ sandboxId: this.#record.id }));
      }
    }
    this.#busy = false;
  }

  async #handle(change: Change): Promise<SandboxRecord> {
    const before = this.#record;
    const asked = apply(before, change);
    if (asked.kind === 'ignored') return before;
    const outcome = await this.#save(change, asked);
    if (this.#deps.failpoints !== undefined) await this.#betweenRecordAndEffects(this.#deps.failpoints, change);
    this.#record = outcome.record;
    this.#gone = outcome.gone;
    this.#count(before, outcome);
    for (const effect of outcome.effects) {
      if (effect !== 'remove-record') this.#effects(effect, change.target === 'sandbox' ? (change.run ?? {}) : {});
    }
    await this.#announce(announcements(before, change, outcome, this.#deps.clock.wallMs()));
    return outcome.record;
  }

  async #announce(events: readonly DomainEvent[]): Promise<void> {
    for (const event of events) {
      this.#log.info({ event: event.type, container: event.containerId, cause: event.cause, exit: event.exitCode }, event.message === '' ? event.type : event.message);
      await this.#deps.hub.publish(event);
    }
    for (const watcher of this.#watchers) watcher();
  }

  /** The outcome as it is true now: with a condition when the disk did not take it. */
  async #save(change: Change, outcome: Changed): Promise<Changed> {
    const clean = { ...outcome, record: withoutCondition(outcome.record, CHECKPOINT_FAILED) };
    if (!clean.gone && this.#stored !== undefined && isAsStored(clean.record, this.#stored)) return { ...clean, record: this.#stored };
    try {
      await this.#write(clean.record, clean.gone);
      return clean;
    } catch (error) {
      if (isRequest(change)) throw toDomainError(error);
      // A fact is true whether or not the disk takes it: the VM goes on, the record follows when it can.
      this.#deps.metrics.checkpointFailures(1);
      this.#log.error({ error }, 'record not saved; trying again');
      if (!this.#unsaved) this.#deps.metrics.unsaved(1);
      this.#unsaved = true;
      this.#saveLater();
      return { ...clean, record: withCondition(outcome.record, CHECKPOINT_FAILED, `what is on disk is older than this: ${toDomainError(error).message}`, this.#deps.clock.wallMs()) };
    }
  }

  async #write(record: SandboxRecord, gone: boolean): Promise<void> {
    this.#stored = undefined;
    if (gone) await this.#deps.store.remove(record.id);
    else await this.#deps.store.save(record.id, record);
    this.#stored = record;
    if (this.#unsaved) this.#deps.metrics.unsaved(-1);
    this.#unsaved = false;
  }

  async #betweenRecordAndEffects(failpoints: Failpoints, change: Change): Promise<void> {
    if (change.target === 'facts' || change.target === 'condition') return;
    await failpoints.reach(`record/${planRecord(change)}`, this.#record.name);
  }

  /** By way of the mailbox, so that no older record is ever written over a newer one. */
  #saveLater(): void {
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.#deps.clock.timer(RETRY_SAVE_MS, () => { void this.#post(() => this.#saveAgain()); });
  }

  /** Never rejects. */
  async #saveAgain(): Promise<SandboxRecord> {
    if (!this.#unsaved) return this.#record;
    const before = this.#record;
    const clean = withoutCondition(before, CHECKPOINT_FAILED);
    try {
      await this.#write(clean, this.#gone);
    } catch (error) {
      this.#log.debug({ error }, 'record still not saved');
      this.#saveLater();
      return before;
    }
    this.#record = clean;
    this.#log.info({}, 'record saved');
    await this.#announce(conditionEvents(before, clean, this.#deps.clock.wallMs()));
    return clean;
  }

  #count(before: SandboxRecord, outcome: Changed): void {
    const { metrics } = this.#deps;
    const to = outcome.gone ? undefined : outcome.record.state;
    if (before.state !== to) metrics.sandboxState(before.state, to);
    if (LIVES.has(before.state) && (to === undefined || !LIVES.has(to))) metrics.ended('sandbox', outcome.record.cause ?? 'UNKNOWN');
    if (outcome.container?.record.state === 'exited' && outcome.container.before !== 'exited') metrics.ended('container', outcome.container.record.exit?.cause ?? 'UNKNOWN');
  }
}

/**
 * A step that leads back to what is on disk is none: a sandbox that is found again as it was keeps its epoch, and the disk is left alone. `recovering` is never
 * written for its own sake, so that is what most steps of a daemon that comes back are.
 */
function isAsStored(record: SandboxRecord, stored: SandboxRecord): boolean {
  if (record.epoch !== stored.epoch + 1) return false;
  const keys = Object.keys({ ...stored, ...record }) as (keyof SandboxRecord)[];
  return keys.every((key) => key === 'epoch' || record[key] === stored[key]);
}

/** As the plans name it. */
function planRecord(change: Exclude<Change, { readonly target: 'facts' | 'condition' }>): PlanRecord {
  switch (change.target) {
    case 'new-container':
      return 'container:intent';
    case 'new-device':
      return 'device:intent';
    case 'sandbox':
      return `sandbox:${change.kind}`;
    case 'container':
      return `container:${change.kind}`;
    case 'device':
      return `device:${change.kind}`;
  }
}

/** A caller waits for it and can be refused; anything else has happened already. */
function isRequest(change: Change): boolean {
  switch (change.target) {
    case 'sandbox':
      return change.kind.endsWith('-requested') && change.kind !== 'stop-requested' && !change.kind.includes('delete');
    case 'container':
      return change.kind === 'start-requested' || change.kind === 'pause-requested';
    case 'device':
      return change.kind.endsWith('-requested');
    case 'new-container':
    case 'new-device':
      return true;
    case 'facts':
      return true;
    case 'condition':
      return false;
  }
}
