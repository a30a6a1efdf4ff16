/** A VMM's version, comparable. */
export interface VmmVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

/** The oldest that has every option of ours (the machine's `i8042` switch came with 7.0). Run and tested: 7.2. */
export const MINIMUM_VERSION: VmmVersion = { major: 7, minor: 0, micro: 0 };

/** Reads the first line of `qemu --version`: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)`. */
export function parseVersion(text: string): VmmVersion | undefined {
  const match = /version (\d+)\.(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]), micro: Number(match[3]) };
}

export function formatVersion({ major, minor, micro }: VmmVersion): string {
  return `${major}.${minor}.${micro}`;
}

export function isAtLeast(version: VmmVersion, least: VmmVersion): boolean {
  return version.major !== least.major ? version.major > least.major : version.minor !== least.minor ? version.minor > least.minor : version.micro >= least.micro;
}
