import { DomainError } from '../../core/model/errors.ts';
import { SHORTEST_ID_END } from '../../core/model/ids.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { ExecSession } from './exec-session.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { UnmetGuests } from './unmet-guests.ts';

const HEX_END = /^[0-9a-f]+$/;

/** Every sandbox, container and exec of this daemon, and the names that find them. Names are taken before the first await, so two creates never share one. */
export class Registry {
  readonly #sandboxes = new Map<string, SandboxUnit>();
  readonly #containers = new Map<string, ContainerUnit>();
  readonly #execs = new Map<string, ExecSession>();
  /** Until this has resolved, what the last daemon left may not be known yet. */
  settled: Promise<void> = Promise.resolve();
  /** The same for each sandbox that it left running or half made; none rejects. */
  readonly settling = new Map<string, Promise<undefined>>();
  readonly unmet = new UnmetGuests();
  /** Containers of an earlier daemon. */
  readonly found = new Set<string>();
  /** Kept once clients of the daemon before have had time to come back to their streams. */
  rejoined: Promise<unknown> = Promise.resolve();
  /** Records that are there and can't be read, by the name of their directory, with the problem: what is theirs is left alone. */
  readonly unreadable = new Map<string, string>();
  readonly #names = { sandbox: new Map<string, string>(), container: new Map<string, string>() };

  reserveName(kind: 'sandbox' | 'container', name: string, id: string): void {
    const owner = this.#names[kind].get(name);
    if (owner !== undefined && owner !== id) {
      throw new DomainError('NAME_IN_USE', `the name ${JSON.stringify(name)} is in use by ${kind} ${owner.slice(-10)}`, {
        ...(kind === 'sandbox' ? { sandboxId: owner } : { containerId: owner }),
        remedy: 'choose another name, or delete what has it',
      });
    }
    this.#names[kind].set(name, id);
  }

  freeName(kind: 'sandbox' | 'container', name: string, id: string): void {
    if (this.#names[kind].get(name) === id) this.#names[kind].delete(name);
  }

  addSandbox(unit: SandboxUnit): void {
    this.#sandboxes.set(unit.id, unit);
  }

  removeSandbox(unit: SandboxUnit): void {
    this.#sandboxes.delete(unit.id);
    this.freeName('sandbox', unit.record.name, unit.id);
    for (const container of unit.containers.values()) this.removeContainer(container, unit.record.containers.find((record) => record.id === container.id)?.name ?? '');
  }

  addContainer(unit: ContainerUnit): void {
    this.#containers.set(unit.id, unit);
  }

  removeContainer(unit: ContainerUnit, name: string): void {
    this.#containers.delete(unit.id);
    this.found.delete(unit.id);
    this.freeName('container', name, unit.id);
    for (const exec of [...this.#execs.values()]) {
      if (exec.container !== unit) continue;
      exec.release();
      this.#execs.delete(exec.execId);
    }
  }

  hasExec(id: string): boolean {
    return this.#execs.has(id);
  }

  findExec(id: string): ExecSession | undefined {
    return this.#execs.get(id);
  }

  addExec(session: ExecSession): void {
    this.#execs.set(session.execId, session);
  }

  removeExec(id: string): void {
    this.#execs.delete(id);
  }

  /** Also of sandboxes whose first record is not written yet: a create takes its name first. */
  get namedSandboxIds(): readonly string[] {
    return [...this.#names.sandbox.values()];
  }

  get sandboxes(): readonly SandboxUnit[] {
    return [...this.#sandboxes.values()];
  }

  get containers(): readonly ContainerUnit[] {
    return [...this.#containers.values()];
  }

  get execs(): readonly ExecSession[] {
    return [...this.#execs.values()];
  }

  sandbox(ref: string): SandboxUnit {
    const id = this.#find('sandbox', ref, this.#sandboxes.keys());
    const unit = id === undefined ? undefined : this.#sandboxes.get(id);
    if (unit === undefined) throw new DomainError('SANDBOX_NOT_FOUND', `no such sandbox: ${ref}`, { sandboxId: ref, remedy: 'see what there is with "viv sandbox ls"' });
    return unit;
  }

  container(ref: string): ContainerUnit {
    const id = this.#find('container', ref, this.#containers.keys());
    const unit = id === undefined ? undefined : this.#containers.get(id);
    if (unit === undefined) throw new DomainError('CONTAINER_NOT_FOUND', `no such container: ${ref}`, { containerId: ref, remedy: 'see what there is with "viv ps -a"' });
    return unit;
  }

  exec(id: string): ExecSession {
    const session = this.#execs.get(id);
    if (session === undefined) throw new DomainError('EXEC_NOT_FOUND', `no such exec: ${id}`, { remedy: 'it has ended and was told so, or it had no client for too long' });
    return session;
  }

  #find(kind: 'sandbox' | 'container', ref: string, ids: Iterable<string>): string | undefined {
    const named = this.#names[kind].get(ref);
    if (named !== undefined) return named;
    if (ref.length < SHORTEST_ID_END || !HEX_END.test(ref)) return undefined;
    const matches = [...ids].filter((id) => id.endsWith(ref));
    if (matches.length > 1) {
      throw new DomainError('AMBIGUOUS_ID', `${JSON.stringify(ref)} is the end of ${matches.length} ${kind} ids: ${matches.slice(0, 5).map((id) => id.slice(-10)).join(', ')}`, { remedy: 'give more digits of the id' });
    }
    return matches[0];
  }
}
