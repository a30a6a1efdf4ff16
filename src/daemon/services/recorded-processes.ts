import type { SandboxRecord } from '../../core/model/record.ts';
import type { GuestAgent, GuestProcess } from '../../core/ports/agent.ts';

const NOTHING = { written: 0n, acked: 0n } as const;
/** Stands for a pid that nobody knows. */
const SOME_PID = 1;

/** What runs in a guest: as it says itself, or, where its agent has no way to say so (an official one), as the record has it. */
export async function processesOf(agent: GuestAgent, record: SandboxRecord): Promise<readonly GuestProcess[]> {
  return agent.kind === 'kata' ? recordedProcesses(record) : await agent.processes();
}

/** The first process of each container, as if it went on as it was. One that has ended since is told by its output: that ends, and then its exit comes. */
function recordedProcesses({ containers }: SandboxRecord): readonly GuestProcess[] {
  return containers.map(({ id, state, guestPid, spec }) => ({
    key: { containerId: id, execId: undefined },
    pid: state === 'created' ? 0 : Math.max(guestPid, SOME_PID),
    exit: undefined,
    terminal: spec.tty,
    paused: state === 'paused',
    stdout: NOTHING,
    stderr: NOTHING,
    stdinAccepted: 0n,
  }));
}
