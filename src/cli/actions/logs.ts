import { OutputStream, type GetContainerLogsRequest, type LogEntry } from '../../gen/vivarium/v1/container.ts';
import { parseMoment } from '../args/moment.ts';
import { parseCount } from '../args/number.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { writeAll } from '../format/write-all.ts';

interface LogsFlags {
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps?: boolean;
}

type Stream = 'stdout' | 'stderr';

/** `viv logs`: what the container wrote, each line on the stream that it was written to. */
export const logs: Action<LogsFlags> = async (context, operands, flags) => {
  const request: Partial<GetContainerLogsRequest> = {
    containerId: operands[0] ?? '',
    follow: flags.follow === true,
    ...(flags.since === undefined ? {} : { since: parseMoment(flags.since, '--since', context.host.clock.now()) }),
    ...(flags.tail === 'all' ? {} : { tail: parseCount(flags.tail, '--tail') }),
  };
  const { containers } = await context.connect('containers');
  // Whether the next byte of a stream begins a line.
  const atLineStart = { stdout: true, stderr: true };
  for await (const { message } of containers.getContainerLogs(request)) {
    if (message?.$case === 'entry') await writeEntry(context, message.value, flags.timestamps === true, atLineStart);
    if (message?.$case === 'lost') {
      const { from, to, stream } = message.value;
      context.host.stderr.write(`viv: warning: ${to - from} bytes of ${streamName(stream)} are not kept any more (${from} to ${to})\n`);
    }
  }
  return ExitCode.ok;
};

async function writeEntry(context: CommandContext, entry: LogEntry, timestamps: boolean, atLineStart: Record<Stream, boolean>): Promise<void> {
  const stream = streamName(entry.stream);
  const stamp = timestamps && atLineStart[stream] ? `${entry.at?.toISOString() ?? '-'} ` : '';
  atLineStart[stream] = entry.data.at(-1) === 0x0a;
  await writeAll(context.host[stream], stamp === '' ? entry.data : Buffer.concat([Buffer.from(stamp), entry.data]), context.signal);
}

const streamName = (stream: OutputStream): Stream => (stream === OutputStream.OUTPUT_STREAM_STDERR ? 'stderr' : 'stdout');
