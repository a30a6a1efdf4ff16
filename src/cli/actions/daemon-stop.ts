import { parseDurationMs } from '../args/duration.ts';
import { askVersion } from '../client/ask-version.ts';
import { daemonFailure } from '../client/daemon-failure.ts';
import { waitForEnd } from '../client/daemon-process.ts';
import { CliError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { goOn } from '../format/go-on.ts';
import { listPages } from './list-pages.ts';

/** `viv daemon stop`: ends the daemon that answers at the address. One that does not run is stopped already. */
export const stopDaemon: Action<{ readonly time: string }> = async (context, _operands, flags) => {
  const timeoutMs = parseDurationMs(flags.time, '--time');
  const version = await askVersion(context);
  if (version === undefined) {
    context.host.stdout.write(`stopped (no answer at ${context.address.text})\n`);
    return ExitCode.ok;
  }
  const sandboxes = await countWithVm(context);
  askToEnd(version.pid);
  if (!(await waitForEnd(version.pid, context.host.clock, timeoutMs, context.signal))) {
    throw new CliError(`the daemon (pid ${version.pid}) is still there after ${flags.time}`, { remedy: 'its log says what it waits for' });
  }
  context.host.stdout.write(`stopped (pid ${version.pid})${goOn(sandboxes)}\n`);
  return ExitCode.ok;
};

/** Sandboxes that have a VM now; undefined when the daemon does not say, which is no reason not to end it. */
async function countWithVm(context: CommandContext): Promise<number | undefined> {
  const { sandboxes } = await context.connect('sandboxes');
  try {
    const all = await listPages((pageToken) => sandboxes.listSandboxes({ pageToken }), (response) => response.sandboxes);
    return all.filter(({ vmmPid }) => vmmPid > 0).length;
  } catch (error) {
    if (context.signal.aborted || daemonFailure(error) === undefined) throw error;
    return undefined;
  }
}

function askToEnd(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    // It ended between our question and now.
    if (error.code === 'ESRCH') return;
    throw new CliError(`cannot end the daemon (pid ${pid}): ${error.message}`, { remedy: 'run it as the user that owns the daemon', cause: error });
  }
}
