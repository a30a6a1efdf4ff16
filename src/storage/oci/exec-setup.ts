import type { ExecSpec } from '../../core/model/sandbox-spec.ts';
import type { ProcessSetup } from '../../core/ports/agent.ts';
import { ALL_CAPABILITIES } from './capabilities.ts';
import { workingDirectory } from './command-line.ts';
import { mergeEnvironment, variableOf } from './environment.ts';
import type { OciProcess } from './runtime-spec.ts';
import { resolveUser } from './users.ts';
import type { UserFiles } from './users.ts';
import { Violations } from './violations.ts';

export interface ExecSetupInput {
  readonly containerId: string;
  readonly execId: string;
  readonly exec: ExecSpec;
  /** The container's first process, as `containerRuntimeSpec` gave it. */
  readonly process: OciProcess;
  readonly users: UserFiles;
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string | undefined;
}

/** A further process in a container: what the request leaves open is as in the container's first process. Pure. Throws INVALID_REQUEST with all field errors. */
export function execSetup(input: ExecSetupInput): ProcessSetup {
  const { exec, process } = input;
  const violations = new Violations();
  if (exec.command.length === 0 || exec.command[0] === '') violations.add('command', 'there is nothing to run');
  if (exec.command.some((argument) => argument.includes('\0'))) violations.add('command', 'an argument can not hold a NUL byte');
  const identity = identityOf(input, violations);
  const env = mergeEnvironment([{ field: 'env of the container', entries: inheritedEnvironment(input, identity) }, { field: 'env', entries: exec.env }], violations);
  const cwd = exec.workingDir === '' ? process.cwd : workingDirectory(exec.workingDir, 'working_dir', violations);
  violations.throwIfAny();
  return {
    containerId: input.containerId,
    execId: input.execId,
    args: exec.command,
    env,
    cwd,
    terminal: exec.tty,
    uid: identity.uid,
    gid: identity.gid,
    additionalGids: identity.additionalGids,
    capabilities: exec.privileged ? ALL_CAPABILITIES : process.capabilities.bounding,
    noNewPrivileges: process.noNewPrivileges,
    rlimits: process.rlimits,
  };
}

function identityOf(input: ExecSetupInput, violations: Violations): Identity {
  if (input.exec.user === '') return { ...input.process.user, home: undefined };
  const found = resolveUser(input.exec.user, input.users);
  if (!('description' in found)) return { ...found.user, home: found.home };
  violations.add('user', found.description);
  return { ...input.process.user, home: undefined };
}

/** The container's variables, with HOME of the exec's user where it was that of the container's (and not set by image or caller), and TERM for a terminal. */
function inheritedEnvironment(input: ExecSetupInput, identity: Identity): readonly string[] {
  const { process, exec, users } = input;
  const own = resolveUser(`${process.user.uid}`, users);
  const derived = 'description' in own ? undefined : own.home;
  const moveHome = identity.home !== undefined && variableOf(process.env, 'HOME') === derived;
  const env = moveHome ? process.env.map((entry) => (entry.startsWith('HOME=') ? `HOME=${identity.home ?? '/'}` : entry)) : process.env;
  return exec.tty && variableOf(env, 'TERM') === undefined ? [...env, 'TERM=xterm'] : env;
}
