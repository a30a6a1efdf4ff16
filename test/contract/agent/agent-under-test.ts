import type { TokenStore } from '../../../src/agents/link/token-store.ts';
import type { GuestAgent, OciSpec, SandboxSetup } from '../../../src/core/ports/agent.ts';
import type { ByteStream } from '../../../src/core/ports/host.ts';

/** A port below its link, for tests that play a host that dies at a bad moment. */
export interface LinkUnderTest {
  readonly tokens: TokenStore;
  readonly tokenFile: string;
  dial(): Promise<ByteStream>;
}

/** One guest with an agent in it, for the contract's tests. */
export interface AgentUnderTest extends AsyncDisposable {
  /** A new connection; an earlier one has been closed or cut. */
  connect(): Promise<GuestAgent>;
  /** Ends the connection as the host's own death would. */
  cut(): void;
  /** Puts bytes on the present connection as they are. */
  write(bytes: Uint8Array): void;
  readonly link: LinkUnderTest;
  readonly sandbox: SandboxSetup;
  /** A container of this guest that runs a program of its own. */
  spec(args: readonly string[]): OciSpec;
  /** A command that writes so many bytes and ends. */
  spew(bytes: number): readonly string[];
}

export interface AgentKind {
  readonly name: string;
  readonly kind: 'viv-agent' | 'kata';
  readonly start: () => Promise<AgentUnderTest>;
}
