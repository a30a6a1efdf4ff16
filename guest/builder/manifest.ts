import { readIfThere } from './atomic-files.ts';
import { BuildError } from './build-error.ts';

export const MANIFEST_FORMAT = 1;
export const MANIFEST_FILE = 'manifest.json';

export interface PackageIdentity {
  readonly package: string;
  readonly version: string;
  readonly sha256: string;
}

export interface OutputFacts {
  readonly size: number;
  readonly sha256: string;
}

/** What a guest was made from. Its digest (with the builder's version) decides whether a guest is up to date. */
export interface GuestInputs {
  readonly builder: number;
  readonly name: string;
  readonly kernel: PackageIdentity | { readonly file: string; readonly sha256: string };
  /** Digest of what `--modules-dir` holds. */
  readonly modulesDirectory: string | null;
  readonly bootModules: readonly string[];
  readonly lateModules: readonly string[];
  readonly diskModules: readonly string[];
  readonly init: { readonly kind: 'agent' | 'custom'; readonly loader: PackageIdentity | null; readonly sha256: string; readonly version: string | null };
  readonly packages: readonly PackageIdentity[];
  readonly files: readonly { readonly path: string; readonly mode: string; readonly sha256: string }[];
  readonly kernelParameters: readonly string[];
  readonly strip: string;
}

/** `manifest.json` of a guest. It names no path of the machine and no time, so equal inputs give equal bytes. */
export interface GuestManifest {
  readonly format: number;
  readonly name: string;
  /** `sha256:` + hex over the inputs. */
  readonly digest: string;
  readonly kernelRelease: string;
  /** In load order, with what the requests pulled in. */
  readonly modules: { readonly boot: readonly string[]; readonly late: readonly string[]; readonly disks: readonly string[]; readonly builtin: readonly string[] };
  readonly inputs: GuestInputs;
  /** Keys: vmlinux, initramfs.cpio, and vmlinuz unless the kernel was given as an ELF file. */
  readonly outputs: Readonly<Record<string, OutputFacts>>;
}

export function encodeManifest(manifest: GuestManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** @returns undefined when there is no such file; a manifest of another format is an error and is left alone */
export async function readManifest(path: string): Promise<GuestManifest | undefined> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) return undefined;
  const value = parseJson(path, bytes);
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== MANIFEST_FORMAT) {
    throw new BuildError('bad_input', `${path} is not a guest manifest of format ${MANIFEST_FORMAT}`);
  }
  // Manifests are only written by encodeManifest, and published whole.
  return value as unknown as GuestManifest;
}

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new BuildError('bad_input', `${path} is not JSON`, { cause: error });
  }
}
