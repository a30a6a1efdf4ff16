import type { GetContainerLogsRequest, GetContainerLogsResponse, LogEntry } from '../../gen/vivarium/v1/container.ts';
import { parseMoment } from '../args/moment.ts';
import { parseCount } from '../args/number.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { writeAll } from '../format/write-all.ts';
import { LogFollower, logStreamName, type LogStream } from '../stream/log-follower.ts';
import { Reconnection } from '../stream/reconnection.ts';

interface LogsFlags {
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps?: boolean;
}

/** `viv logs`: what the container wrote, each line on the stream that it was written to. */
export const logs: Action<LogsFlags> = async (context, operands, flags) => {
  const request: Partial<GetContainerLogsRequest> = {
    containerId: operands[0] ?? '',
    follow: flags.follow === true,
    ...(flags.since === undefined ? {} : { since: parseMoment(flags.since, '--since', context.host.clock.now()) }),
    ...(flags.tail === 'all' ? {} : { tail: parseCount(flags.tail, '--tail') }),
  };
  const { containers } = await context.connect('containers');
  const reader = new LogReader(context, new LogFollower(request), flags.timestamps === true);
  const reconnection = new Reconnection(context);
  for (;;) {
    try {
      for await (const { message } of containers.getContainerLogs(reader.follower.request())) {
        reconnection.stands();
        await reader.show(message);
      }
      return ExitCode.ok;
    } catch (error) {
      await reconnection.after(error);
    }
  }
};

/** Shows what comes, over as many connections as it takes. */
class LogReader {
  readonly follower: LogFollower;
  readonly #context: CommandContext;
  readonly #timestamps: boolean;
  /** Whether the next byte of a stream begins a line. */
  readonly #atLineStart: Record<LogStream, boolean> = { stdout: true, stderr: true };

  constructor(context: CommandContext, follower: LogFollower, timestamps: boolean) {
    this.#context = context;
    this.follower = follower;
    this.#timestamps = timestamps;
  }

  async show(message: GetContainerLogsResponse['message']): Promise<void> {
    if (message?.$case === 'entry') await this.#write(message.value);
    if (message?.$case !== 'lost') return;
    const { from, to, stream } = message.value;
    const bytes = this.follower.lost(logStreamName(stream), from, to);
    if (bytes > 0n) this.#context.host.stderr.write(`viv: warning: ${bytes} bytes of ${logStreamName(stream)} are not kept any more (${from} to ${to})\n`);
  }

  async #write(entry: LogEntry): Promise<void> {
    const { stream, fresh } = this.follower.take(entry);
    if (fresh.length === 0) return;
    const stamp = this.#timestamps && this.#atLineStart[stream] ? `${entry.at?.toISOString() ?? '-'} ` : '';
    this.#atLineStart[stream] = fresh.at(-1) === 0x0a;
    await writeAll(this.#context.host[stream], stamp === '' ? fresh : Buffer.concat([Buffer.from(stamp), fresh]), this.#context.signal);
  }
}
