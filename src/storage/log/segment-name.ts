import type { LogPosition } from '../../core/ports/logs.ts';

/** One file of a log, and where both streams stand at its beginning. */
export interface Segment {
  readonly name: string;
  readonly base: LogPosition;
}

const NAME = /^(\d{20})-(\d{20})\.log$/;

/** Wide enough for any 64-bit offset, so that names sort as the offsets do. */
export function segmentName(base: LogPosition): string {
  return `${String(base.stdout).padStart(20, '0')}-${String(base.stderr).padStart(20, '0')}.log`;
}

/** The segments among a directory's names, oldest first. */
export function segmentsOf(names: readonly string[]): readonly Segment[] {
  const found = names.flatMap((name) => {
    const [, stdout, stderr] = NAME.exec(name) ?? [];
    return stdout === undefined || stderr === undefined ? [] : [{ name, base: { stdout: BigInt(stdout), stderr: BigInt(stderr) } }];
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
