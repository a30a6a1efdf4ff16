import { join } from 'node:path';

/** Every file of one VM, all below its sandbox's run directory. */
export interface VmPaths {
  readonly qmpSocket: string;
  /** A monitor of its own for descriptors: they are named on the connection that brings them. */
  readonly descriptorSocket: string;
  readonly agentSocket: string;
  /** The launcher's directory (docs/protocols/launcher.md). */
  readonly launcher: string;
  readonly consoleSocket: string;
  /** Oldest first. */
  readonly consoleFiles: readonly string[];
}

export function vmPaths(runDir: string): VmPaths {
  const launcher = join(runDir, 'vmm');
  const console = join(launcher, 'console.log');
  return {
    qmpSocket: join(runDir, 'qmp.sock'),
    descriptorSocket: join(runDir, 'fds.sock'),
    agentSocket: join(runDir, 'agent.sock'),
    launcher,
    consoleSocket: join(launcher, 'console.sock'),
    consoleFiles: [`${console}.1`, console],
  };
}

/** The socket with the longest path: when it fits into sun_path (unix(7)), all do. */
export function longestSocket(runDir: string): string {
  return vmPaths(runDir).consoleSocket;
}
