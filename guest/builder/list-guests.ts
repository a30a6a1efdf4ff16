import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from './build-error.ts';
import { Generations } from './generations.ts';
import { MANIFEST_FILE, readManifest } from './manifest.ts';
import type { GuestManifest } from './manifest.ts';

/** One line of `guest-build ls`. Sizes are in bytes, the time is RFC 3339. */
export interface GuestListing {
  readonly name: string;
  readonly kernelRelease: string;
  readonly kernelVersion: string | null;
  readonly agentVersion: string | null;
  readonly customInit: boolean;
  readonly kernelParameters: readonly string[];
  readonly vmlinuxBytes: number;
  readonly initramfsBytes: number;
  readonly digest: string;
  readonly builtAt: string;
}

export interface UnreadableGuest {
  readonly name: string;
  readonly error: string;
}

/** All guests of a directory by name; one that can't be read is listed with the reason. */
export async function listGuests(out: string): Promise<(GuestListing | UnreadableGuest)[]> {
  const generations = new Generations(out);
  const listings: (GuestListing | UnreadableGuest)[] = [];
  for (const name of await generations.names()) {
    const path = join(generations.current(name), MANIFEST_FILE);
    try {
      const manifest = await readManifest(path);
      if (manifest !== undefined) listings.push(toListing(name, manifest, (await stat(path)).mtime));
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      listings.push({ name, error: error.message });
    }
  }
  return listings;
}

function toListing(name: string, manifest: GuestManifest, builtAt: Date): GuestListing {
  const { kernel, init, kernelParameters } = manifest.inputs;
  return {
    name,
    kernelRelease: manifest.kernelRelease,
    kernelVersion: 'version' in kernel ? kernel.version : null,
    agentVersion: init.version,
    customInit: init.kind === 'custom',
    kernelParameters,
    vmlinuxBytes: manifest.outputs['vmlinux']?.size ?? 0,
    initramfsBytes: manifest.outputs['initramfs.cpio']?.size ?? 0,
    digest: manifest.digest,
    builtAt: builtAt.toISOString(),
  };
}
