import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import type { InstanceId } from '../core/model/ids.ts';
import type { Cgroups } from '../core/ports/cgroups.ts';
import type { Clock } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { findHierarchies, type Hierarchies } from './cgroup-hierarchies.ts';
import { errnoOf } from './files.ts';

/** Another sandbox's removal may take the parents away between two calls. */
const MAKE_ATTEMPTS = 5;
/** A process that was ended leaves its group a moment after it was reaped. */
const BUSY_MS = 2000;
const BUSY_PAUSE_MS = 10;

export interface HostCgroupsParts {
  readonly root: string;
  readonly instance: InstanceId;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Groups `vivarium/INSTANCE/SHORTID` of the host: of version 2 where the host has that, else of version 1. */
export class HostCgroups implements Cgroups {
  readonly root: string;
  readonly problem: string;
  readonly #homes: readonly string[];
  readonly #controllers: readonly string[];
  readonly #parts: HostCgroupsParts;
  readonly #told = new Set<string>();

  private constructor(parts: HostCgroupsParts, hierarchies: Omit<Hierarchies, 'version'>) {
    this.#parts = parts;
    this.root = parts.root;
    this.problem = hierarchies.problem;
    this.#controllers = hierarchies.controllers;
    this.#homes = hierarchies.directories.map((directory) => join(directory, 'vivarium', parts.instance));
  }

  /** Says in the log when there is nothing to use. Never rejects. */
  static async find(parts: HostCgroupsParts): Promise<HostCgroups> {
    const found = await findHierarchies(parts.root);
    if (found.problem !== '') parts.log.warn({ problem: found.problem }, 'sandboxes have no control groups: an OOM kill by the host looks like a crash');
    return new HostCgroups(parts, found);
  }

  /** For an operator who wants none. What an earlier daemon made is still found and removed. */
  static none(parts: HostCgroupsParts): HostCgroups {
    return new HostCgroups(parts, { directories: [], controllers: [], problem: 'turned off (cgroups = "none")' });
  }

  places(owner: string): readonly string[] {
    return this.#homes.map((home) => join(home, owner));
  }

  async make(places: readonly string[]): Promise<readonly string[]> {
    const made = await Promise.all(places.map(async (place) => {
      try {
        await this.#makeOne(place);
        return place;
      } catch (error) {
        this.#tellOnce(dirname(place), error);
        return undefined;
      }
    }));
    return made.filter((place) => place !== undefined);
  }

  async remove(places: readonly string[]): Promise<void> {
    for (const place of places) {
      await this.#removeOne(place);
      // The last one takes the parents with it: a host without sandboxes has nothing of ours.
      if (await removed(dirname(place))) await removed(dirname(dirname(place)));
    }
  }

  async oomKills(places: readonly string[]): Promise<number | undefined> {
    for (const place of places) {
      // memory.events of cgroup-v2.rst; memory.oom_control of cgroup-v1/memory.rst. Both count a kill in the group that the victim was in.
      const text = (await textOf(join(place, 'memory.events'))) ?? (await textOf(join(place, 'memory.oom_control')));
      const count = /^oom_kill (\d+)$/m.exec(text ?? '')?.[1];
      if (count !== undefined) return Number(count);
    }
    return undefined;
  }

  async #makeOne(place: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await mkdir(dirname(place), { recursive: true });
        await this.#handDown(dirname(place));
        await mkdir(place);
        return;
      } catch (error) {
        const errno = errnoOf(error);
        // Of an earlier life. One that can't be emptied is used as it is.
        if (errno === 'EEXIST' && !(await removed(place))) return;
        if ((errno !== 'EEXIST' && errno !== 'ENOENT') || attempt === MAKE_ATTEMPTS) throw error;
      }
    }
  }

  /** Version 2 counts in a group what its parents hand down. A controller that can't be (a root with processes in it) is not counted. */
  async #handDown(home: string): Promise<void> {
    if (this.#controllers.length === 0) return;
    for (const parent of [dirname(dirname(home)), dirname(home), home]) {
      const given = (await textOf(join(parent, 'cgroup.subtree_control')))?.split(/\s+/) ?? [];
      for (const controller of this.#controllers) {
        if (given.includes(controller)) continue;
        await writeFile(join(parent, 'cgroup.subtree_control'), `+${controller}`, { flag: 'r+' }).catch((error: unknown) => { this.#tellOnce(`${parent} +${controller}`, error); });
      }
    }
  }

  async #removeOne(place: string): Promise<void> {
    const { clock } = this.#parts;
    const began = clock.monotonicMs();
    for (;;) {
      try {
        await rmdir(place);
        return;
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return;
        if (errnoOf(error) === 'EBUSY' && clock.monotonicMs() - began < BUSY_MS) {
          await clock.sleep(BUSY_PAUSE_MS);
          continue;
        }
        const pids = ((await textOf(join(place, 'cgroup.procs'))) ?? '').trim().split('\n').slice(0, 8).join(', ');
        throw new DomainError('HOST_RESOURCE', `the control group ${place} can not be removed: ${pids === '' ? String(error) : `processes ${pids} are in it`}`, { cause: error, remedy: 'end these processes' });
      }
    }
  }

  #tellOnce(what: string, error: unknown): void {
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#parts.log.warn({ error, what }, 'a control group is not used');
  }
}

async function removed(directory: string): Promise<boolean> {
  return await rmdir(directory).then(() => true, () => false);
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}
