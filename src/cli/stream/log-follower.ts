import { OutputStream, type GetContainerLogsRequest, type LogEntry } from '../../gen/vivarium/v1/container.ts';
import { OutputProgress } from './output-progress.ts';

export type LogStream = 'stdout' | 'stderr';

/** How far a container's log has been read, so that reading goes on there after the connection broke: nothing is shown twice, nothing left out. */
export class LogFollower {
  readonly #first: Partial<GetContainerLogsRequest>;
  readonly #progress = { stdout: new OutputProgress(), stderr: new OutputProgress() };
  readonly #seen = new Set<LogStream>();
  #lastAt: Date | undefined;
  #resumedAfter: Date | undefined;

  constructor(first: Partial<GetContainerLogsRequest>) {
    this.#first = first;
  }

  /** What to ask for now. */
  request(): Partial<GetContainerLogsRequest> {
    if (this.#seen.size === 0) return this.#first;
    this.#resumedAfter = this.#lastAt;
    return {
      containerId: this.#first.containerId ?? '',
      follow: this.#first.follow === true,
      offsets: { stdout: this.#progress.stdout.received, stderr: this.#progress.stderr.received },
    };
  }

  /** @returns the bytes of it that were not seen before */
  take(entry: LogEntry): { readonly stream: LogStream; readonly fresh: Uint8Array } {
    const stream = logStreamName(entry.stream);
    // A stream that nothing was seen of is read from its start again: what is older than all that was shown was not asked for (`--tail`, `--since`).
    if (!this.#seen.has(stream) && this.#isOlder(entry.at)) return { stream, fresh: entry.data.subarray(0, 0) };
    this.#see(stream, entry.offset);
    if (entry.at !== undefined) this.#lastAt = entry.at;
    return { stream, fresh: this.#progress[stream].accept(entry.offset, entry.data).fresh };
  }

  /** Bytes that are not kept any more. @returns how many of them were not told of before */
  lost(stream: LogStream, from: bigint, to: bigint): bigint {
    if (!this.#seen.has(stream) && this.#resumedAfter !== undefined) return 0n;
    this.#see(stream, from);
    const gap = this.#progress[stream].lost(from, to);
    return gap === undefined ? 0n : gap.to - gap.from;
  }

  #isOlder(at: Date | undefined): boolean {
    return this.#resumedAfter !== undefined && at !== undefined && at < this.#resumedAfter;
  }

  #see(stream: LogStream, offset: bigint): void {
    if (this.#seen.has(stream)) return;
    this.#seen.add(stream);
    this.#progress[stream].begin(offset);
  }
}

export const logStreamName = (stream: OutputStream): LogStream => (stream === OutputStream.OUTPUT_STREAM_STDERR ? 'stderr' : 'stdout');
