import type { BlankDisks, ImageDisks } from '../../src/core/ports/rootfs-disks.ts';
import type { UnitDisk, VmDisks } from '../../src/core/ports/hypervisor.ts';

interface Host {
  at(name: string): Promise<void>;
}

/** What is on one VM's controller. */
export class FakeDisks implements VmDisks {
  readonly plugged = new Map<number, UnitDisk>();
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async add(disk: UnitDisk): Promise<void> {
    await this.#host.at('disk-add');
    this.plugged.set(disk.unit, disk);
  }

  async remove(unit: number): Promise<void> {
    await this.#host.at('disk-remove');
    this.plugged.delete(unit);
  }
}

/** Every image has a disk. */
export function diskParts(host: Host): { readonly imageDisks: ImageDisks; readonly blankDisks: BlankDisks } {
  const disk = (path: string) => ({ path, users: path.replace(/\/[^/]*$/, ''), volumes: [] });
  return {
    imageDisks: {
      path: (image) => `/lib/images/disks/${image.name}/rootfs.erofs`,
      provide: async (image) => {
        await host.at('image-disk');
        return disk(`/lib/images/disks/${image.name}/rootfs.erofs`);
      },
      known: async (path) => disk(path),
    },
    blankDisks: { provide: async () => host.at('blank-disk') },
  };
}
