import { join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import { isName } from '../core/model/ids.ts';
import type { GuestFiles, GuestSource } from './services/deps.ts';

/** The little of a file system that is needed to find a guest. */
export interface GuestDirectory {
  exists(path: string): Promise<boolean>;
  list(path: string): Promise<readonly string[]>;
}

/** Guests as the builder leaves them: `<guest_dir>/<name>/{vmlinux,initramfs.cpio}`. */
export class BuiltGuests implements GuestSource {
  readonly #directory: string;
  readonly #files: GuestDirectory;

  constructor(directory: string, files: GuestDirectory) {
    this.#directory = directory;
    this.#files = files;
  }

  async resolve(name: string): Promise<GuestFiles> {
    const place = join(this.#directory, name);
    const kernel = join(place, 'vmlinux');
    const initrd = join(place, 'initramfs.cpio');
    if (isName(name) && (await this.#files.exists(kernel)) && (await this.#files.exists(initrd))) return { kernel, initrd };
    const names = (await this.#files.list(this.#directory)).filter((candidate) => isName(candidate));
    throw new DomainError('GUEST_NOT_FOUND', `there is no guest ${JSON.stringify(name)} in ${this.#directory}; there ${names.length === 0 ? 'is none' : `are ${names.join(', ')}`}`, {
      remedy: name === 'default' ? 'build it with "make guest" or "viv guest build default"' : `build it with "viv guest build ${name}", or choose another in the profile`,
    });
  }
}
