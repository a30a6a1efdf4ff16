import type { ExecStarted, ExitStatus } from '../../gen/vivarium/v1/container.ts';
import type { ProxiedSignal } from '../exit-codes.ts';
import type { CliHost } from '../host.ts';
import type { Interrupts } from '../interrupts.ts';
import type { ReconnectPolicy } from './reconnect-policy.ts';

export interface SessionOptions {
  readonly host: CliHost;
  readonly interrupts: Interrupts;
  /** The command is given up when it aborts. */
  readonly signal: AbortSignal;
  /** The process runs. */
  readonly onStarted?: () => void;
  /** Hand our standard input to the process. */
  readonly stdin: boolean;
  readonly detachKeys: Uint8Array;
  /** Pass SIGINT, SIGTERM, SIGHUP and SIGQUIT on to the process. */
  readonly sigProxy: boolean;
  readonly reconnect: ReconnectPolicy;
}

/** How a session ended: with the process; by the detach keys; or because the user insisted while the process would not end. */
export type SessionEnd =
  | { readonly kind: 'exit'; readonly exit: ExitStatus }
  | { readonly kind: 'detached' }
  | { readonly kind: 'left'; readonly signal: ProxiedSignal };

export interface SessionResult {
  readonly end: SessionEnd;
  readonly started: ExecStarted | undefined;
}
