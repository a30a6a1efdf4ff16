import type { GuestAgent, OciSpec, SandboxSetup } from '../../../src/core/ports/agent.ts';

/** One guest with an agent in it, for the contract's tests. */
export interface AgentUnderTest extends AsyncDisposable {
  /** A new connection; an earlier one has been closed or cut. */
  connect(): Promise<GuestAgent>;
  /** Ends the connection as the host's own death would. */
  cut(): void;
  readonly sandbox: SandboxSetup;
  /** A container of this guest that runs a program of its own. */
  spec(args: readonly string[]): OciSpec;
  /** A command that writes so many bytes and ends. */
  spew(bytes: number): readonly string[];
}

export interface AgentKind {
  readonly name: string;
  readonly kind: 'viv-agent' | 'kata';
  start(): Promise<AgentUnderTest>;
}
