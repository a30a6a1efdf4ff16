import type { GuestExit } from '../../core/ports/agent.ts';
import type { Exit } from '../../gen/vivarium/agent/v1/stream.ts';

/** `nowMs` stands in for a time that the guest did not tell. */
export function toGuestExit(exit: Exit, nowMs: number): GuestExit {
  return { status: exit.status, atMs: exit.exitedAt?.getTime() ?? nowMs, oomKilled: exit.oomKilled };
}
