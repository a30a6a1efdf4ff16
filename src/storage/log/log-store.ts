import { join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { ContainerLog, LogPosition, LogStore } from '../../core/ports/logs.ts';
import { RotatedLog } from './container-log.ts';
import type { LogLimits } from './container-log.ts';
import type { LogFiles, SegmentFile } from './log-files.ts';
import { segmentName, segmentsOf } from './segment-name.ts';
import type { Segment } from './segment-name.ts';
import { SegmentScanner } from './segment-scanner.ts';

const DEFAULT_LIMITS: LogLimits = { segmentBytes: 10 * 1024 * 1024, segments: 3 };
const START: LogPosition = { stdout: 0n, stderr: 0n };

/** Rotated logs, each in a directory of its own. */
export class RotatedLogStore implements LogStore {
  readonly #files: LogFiles;
  readonly #clock: Clock;
  readonly #limits: LogLimits;

  constructor(files: LogFiles, clock: Clock, limits: LogLimits = DEFAULT_LIMITS) {
    this.#files = files;
    this.#clock = clock;
    this.#limits = limits;
  }

  async open(directory: string): Promise<ContainerLog> {
    try {
      return await this.#open(directory);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new DomainError('HOST_RESOURCE', `the log in ${directory} can't be opened: ${message}`, { cause: error, remedy: 'check the disk of the state directory' });
    }
  }

  async #open(directory: string): Promise<ContainerLog> {
    await this.#files.makeDirectory(directory);
    const found = segmentsOf(await this.#files.list(directory));
    const last: Segment = found.at(-1) ?? { name: segmentName(START), base: START };
    const [first = last, ...others] = found;
    const current = await this.#files.openToWrite(join(directory, last.name));
    try {
      const written = await current.size();
      const { size, end, broken } = await scanned(current, written, last.base);
      const shared = { directory, files: this.#files, limits: this.#limits, end, now: () => this.#clock.wallMs() };
      if (!broken || size === 0) {
        if (written > size) await current.truncate(size);
        return new RotatedLog({ ...shared, segments: [first, ...others], current, size });
      }
      // More than an unfinished line can't be read: it stays where it is for a person to look at, and a new segment goes on.
      const next: Segment = { name: segmentName(end), base: end };
      const fresh = await this.#files.openToWrite(join(directory, next.name));
      await current.close();
      return new RotatedLog({ ...shared, segments: [first, ...others, next], current: fresh, size: 0 });
    } catch (error) {
      await current.close();
      throw error;
    }
  }
}

/** Reads a segment through: how far it goes in whole lines, and whether something else than an unfinished line follows. */
async function scanned(file: SegmentFile, bytes: number, base: LogPosition): Promise<{ size: number; end: LogPosition; broken: boolean }> {
  const scanner = new SegmentScanner(file, base, bytes);
  do {
    while (scanner.next() !== undefined);
  } while (await scanner.fill());
  return { size: scanner.position, end: scanner.offsets, broken: scanner.broken };
}
