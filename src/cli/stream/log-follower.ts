import { OutputStream, type GetContainerLogsRequest, type LogEntry } from '../../gen/vivarium/v1/container.ts';
import { OutputProgress } from './output-progress.ts';

export type LogStream = 'stdout' | 'stderr';

/** How far a container's log has been read, so that reading goes on there after the connection broke: nothing is shown twice, nothing left out. */
export class LogFollower {
  readonly #first: Partial<GetContainerLogsRequest>;
  readonly #progress = { stdout: new OutputProgress(), stderr: new OutputProgress() };
  readonly #seen = new Set<LogStream>();
  #lastAt: Date | undefined;

  constructor(first: Partial<GetContainerLogsRequest>) {
    this.#first = first;
  }

  /** What to ask for now. */
  request(): Partial<GetContainerLogsRequest> {
    if (this.#seen.size === 0) return this.#first;
    // Only the stream that was seen has a place to go on from; of the other, what is older than the last entry was not wanted, or is not there.
    const since = this.#seen.size === 2 ? this.#first.since : this.#lastAt;
    return {
      containerId: this.#first.containerId ?? '',
      follow: this.#first.follow === true,
      offsets: { stdout: this.#progress.stdout.received, stderr: this.#progress.stderr.received },
      ...(since === undefined ? {} : { since }),
    };
  }

  /** @returns the bytes of it that were not seen before */
  take(entry: LogEntry): { readonly stream: LogStream; readonly fresh: Uint8Array } {
    const stream = logStreamName(entry.stream);
    this.#see(stream, entry.offset);
    if (entry.at !== undefined) this.#lastAt = entry.at;
    return { stream, fresh: this.#progress[stream].accept(entry.offset, entry.data).fresh };
  }

  /** Bytes that are not kept any more. @returns how many of them were not told of before */
  lost(stream: LogStream, from: bigint, to: bigint): bigint {
    this.#see(stream, from);
    const gap = this.#progress[stream].lost(from, to);
    return gap === undefined ? 0n : gap.to - gap.from;
  }

  #see(stream: LogStream, offset: bigint): void {
    if (this.#seen.has(stream)) return;
    this.#seen.add(stream);
    this.#progress[stream].begin(offset);
  }
}

export const logStreamName = (stream: OutputStream): LogStream => (stream === OutputStream.OUTPUT_STREAM_STDERR ? 'stderr' : 'stdout');
