import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonLife } from '../chaos/life.ts';
import { AuditState, auditStateToJSON } from '../../src/gen/vivarium/v1/host.ts';
import { eachAtOnce } from '../daemon/fake-fleet.ts';
import { hostState, newOnHost } from './host-state.ts';
import type { HostKind, HostThing } from './host-state.ts';

/** Trash may be emptied, and processes that were killed reaped, for so long after the last reply. */
const GONE_MS = 60_000;
const LOOK_MS = 200;
const DELETED_AT_ONCE = 8;

/** Things that nothing on a quiet host makes but a daemon: new ones count whatever they are called. Processes count when they bear a mark of ours. */
const WITHOUT_MARK: ReadonlySet<HostKind> = new Set<HostKind>(['mount', 'netns', 'link', 'cgroup', 'shm']);

/** Made at their first use and kept, empty, as long as the daemon's home. */
const LASTING = ['lib/cache', 'lib/sandboxes', 'lib/trash', 'run/s'];

/** The root of a hierarchy, of version 2 or of one controller. */
const CGROUP_ROOT = /^\/sys\/fs\/cgroup(\/[a-z_,]+)?$/;

export interface Leaks {
  /** By HostService.Audit, once every sandbox is deleted: whatever is not on its way out. */
  readonly byAudit: readonly string[];
  /** By comparing the host with what it was before, once the daemon has stopped. */
  readonly byDiff: readonly string[];
  /** New as well, and by its own words another daemon's. */
  readonly foreign: number;
}

/** The host before anything was made, to be compared with the host after. The daemon has run once and has stopped: its lasting directories are there. */
export class LeakProof {
  readonly #life: DaemonLife;
  readonly #before: ReadonlyMap<string, HostThing>;

  constructor(life: DaemonLife) {
    this.#life = life;
    this.#before = hostState(life.daemon.home);
  }

  /** Deletes every sandbox, asks the audit, stops the daemon, compares. */
  async prove(): Promise<Leaks> {
    await this.#deleteAll();
    const instance = (await this.#life.ask((client, signal) => client.host.getVersion({}, { signal }))).instanceId;
    const byAudit = await this.#audit();
    await this.#life.end();
    return { byAudit, ...(await this.#diff(instance)) };
  }

  async #deleteAll(): Promise<void> {
    const { sandboxes } = await this.#life.ask((client, signal) => client.sandboxes.listSandboxes({}, { signal }));
    await eachAtOnce(sandboxes, DELETED_AT_ONCE, async ({ id }) => {
      await this.#life.ask((client, signal) => client.sandboxes.deleteSandbox({ requestId: `last-${id}`, sandboxId: id, force: true }, { signal }));
    });
  }

  async #audit(): Promise<readonly string[]> {
    const until = performance.now() + GONE_MS;
    for (;;) {
      const { resources, clean } = await this.#life.ask((client, signal) => client.host.audit({ all: true }, { signal }));
      // With no sandbox left, nothing can be anybody's.
      const left = resources.filter(({ state }) => state !== AuditState.AUDIT_STATE_PENDING);
      if (clean && resources.length === 0) return [];
      if (performance.now() > until) return (left.length > 0 ? left : resources).map(({ kind, name, sandboxId, state, detail }) => `${kind} ${name} of ${sandboxId}: ${auditStateToJSON(state)} ${detail}`);
      await delay(LOOK_MS);
    }
  }

  async #diff(instance: string): Promise<{ readonly byDiff: readonly string[]; readonly foreign: number }> {
    const until = performance.now() + GONE_MS;
    for (;;) {
      const fresh = newOnHost(this.#before, hostState(this.#life.daemon.home));
      const ours = fresh.filter((thing) => this.#isOurs(thing, instance));
      if (ours.length === 0 || performance.now() > until) {
        return { byDiff: ours.map(({ kind, text }) => `${kind} ${text.split('\0')[0] ?? ''}`), foreign: fresh.filter((thing) => isOfAnother(thing)).length };
      }
      await delay(LOOK_MS);
    }
  }

  #isOurs(thing: HostThing, instance: string): boolean {
    const { daemon, mark } = this.#life;
    if (thing.kind === 'directory' && LASTING.some((name) => thing.key === `${daemon.home}/${name}`)) return false;
    const marks = [daemon.home, mark, `viv-${instance}`, `viv${instance}`, `VIVARIUM_INSTANCE=${instance}`, `/vivarium/${instance}`];
    if (marks.some((text) => thing.text.includes(text))) return true;
    return WITHOUT_MARK.has(thing.kind) && !isOfAnother(thing) && !this.#isInAnothersCgroup(thing);
  }

  /** Whoever made the cgroup above it makes and removes its children: a service manager its units, a job runner its jobs. A daemon's own lies below one that bears its mark. */
  #isInAnothersCgroup({ kind, key }: HostThing): boolean {
    const above = dirname(key);
    return kind === 'cgroup' && !CGROUP_ROOT.test(above) && this.#before.has(`cgroup ${above}`);
  }
}

/** Of what is not ours: it names the home of another daemon, bears another instance's mark, or is the cgroup that all instances of a host share. */
function isOfAnother({ text }: HostThing): boolean {
  return /\/tmp\/(vv|viv)[-/]|VIVARIUM_INSTANCE=|viv-?[0-9a-f]{4}\b|\/vivarium(\/[0-9a-f]{4}|$)/.test(text);
}
