import type { DaemonAddress } from './client/address.ts';
import type { Clients, ServiceName } from './client/clients.ts';
import type { CliHost } from './host.ts';
import type { Interrupts } from './interrupts.ts';

/** What every command gets to work with. */
export interface CommandContext {
  readonly host: CliHost;
  readonly interrupts: Interrupts;
  readonly address: DaemonAddress;
  /** The address was said by --host or VIVARIUM_HOST, and is not the usual one. */
  readonly addressGiven: boolean;
  /** Calls end when this aborts: by a signal, or when --timeout is over. */
  readonly signal: AbortSignal;
  readonly cwd: string;
  /** Our own version. */
  readonly version: string;
  /** The program that `daemon start` starts. */
  readonly daemonProgram: string;
  /** For the next request of this command that changes something (--request-id); what it undoes has ids of its own. */
  requestId(): string;
  /** Clients of the services named, on one connection for the whole command; the gRPC library is loaded at the first call. */
  connect<Name extends ServiceName>(...services: Name[]): Promise<Clients<Name>>;
}

/** One verb: flags as commander reads them, operands as they were given. Resolves to the exit code. */
export type Action<Flags> = (context: CommandContext, operands: readonly string[], flags: Flags) => Promise<number>;
