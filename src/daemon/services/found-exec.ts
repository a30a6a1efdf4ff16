import type { GuestProcess } from '../../core/ports/agent.ts';
import type { ContainerUnit } from './container-unit.ts';
import { ExecSession } from './exec-session.ts';
import { exitStatus } from './process-pump.ts';
import type { Registry } from './registry.ts';

/**
 * A further process in a container, known from now on until it has ended and its last client has heard so. One that is known already stays as it
 * is: two would both read what the process writes, and only one has the client.
 */
export function newExec(registry: Registry, container: ContainerUnit, execId: string, tty: boolean): ExecSession {
  const known = registry.findExec(execId);
  if (known !== undefined) return known;
  const session = new ExecSession({ container, execId, tty, onEnd: () => { registry.removeExec(execId); } });
  registry.addExec(session);
  return session;
}

/** One that an earlier daemon started, as its guest tells of it; or one that this daemon started before its guest had told. */
export function foundExec(registry: Registry, container: ContainerUnit, process: GuestProcess, execId: string): ExecSession {
  const known = registry.findExec(execId);
  if (known !== undefined) return known;
  const session = newExec(registry, container, execId, process.terminal);
  session.found({ stdout: process.stdout.acked, stderr: process.stderr.acked }, process.stdinAccepted, process.exit === undefined ? undefined : exitStatus(process.exit));
  return session;
}
