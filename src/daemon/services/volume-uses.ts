import type { ContainerRecord, SandboxRecord } from '../../core/model/record.ts';
import type { MountSpec } from '../../core/model/sandbox-spec.ts';

type VolumeMountSpec = Extract<MountSpec, { readonly kind: 'volume' }>;

/** One container that has a volume among its mounts. */
export interface VolumeUse {
  readonly container: ContainerRecord;
  readonly sandbox: SandboxRecord;
}

export function volumeMounts(mounts: readonly MountSpec[]): readonly VolumeMountSpec[] {
  return mounts.filter((mount): mount is VolumeMountSpec => mount.kind === 'volume');
}

/** Which containers use which volume. The records say so, and for containers that are not written down yet, who holds. */
export class VolumeUses {
  readonly #records: () => readonly SandboxRecord[];
  readonly #unreadable: () => readonly string[];
  readonly #held = new Map<string, number>();

  constructor(records: () => readonly SandboxRecord[], unreadable: () => readonly string[]) {
    this.#records = records;
    this.#unreadable = unreadable;
  }

  /** Sandboxes whose records can't be read: nobody knows what their containers use. */
  get unreadable(): readonly string[] {
    return this.#unreadable();
  }

  of(name: string): readonly VolumeUse[] {
    return this.#records().flatMap((sandbox) => sandbox.containers.filter(({ spec }) => volumeMounts(spec.mounts).some((mount) => mount.name === name)).map((container) => ({ container, sandbox })));
  }

  isUsed(name: string): boolean {
    return this.#held.has(name) || this.of(name).length > 0;
  }

  /** They count as used until the result is disposed of. */
  hold(names: readonly string[]): Disposable {
    for (const name of names) this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        for (const name of names) {
          const left = (this.#held.get(name) ?? 1) - 1;
          if (left === 0) this.#held.delete(name);
          else this.#held.set(name, left);
        }
      },
    };
  }
}
