/** The exit codes of `viv` itself; docs/cli.md and --help list them. A container's own code passes through unchanged. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** `daemon status` when nothing answers (the code that LSB gives to "not running"). */
  notRunning: 3,
  /** `run`, `exec`, `attach` and `start -a`: the daemon, the connection or the creation failed, not the process. */
  daemonFailed: 125,
  notExecutable: 126,
  notFound: 127,
  /** A reader of our output went away: what a shell shows for a program that SIGPIPE ended. */
  brokenPipe: 141,
} as const;

/** `128 + number`, as shells show a program that a signal ended. */
export const interruptedBy = (signal: ProxiedSignal): number => 128 + signalNumbers[signal];

/** The signals that end a command of ours, or are passed on to the process that it runs. */
export type ProxiedSignal = 'SIGHUP' | 'SIGINT' | 'SIGQUIT' | 'SIGTERM';

const signalNumbers: Readonly<Record<ProxiedSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 };

export const proxiedSignals: readonly ProxiedSignal[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'];
