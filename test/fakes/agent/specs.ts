import type { OciSpec, OutputEvent, ProcessSetup } from '../../../src/core/ports/agent.ts';

/** A container as any agent takes it: /proc, /dev as tmpfs, a mount namespace, no capabilities. */
export function containerSpec(args: readonly string[], options: { terminal?: boolean; root?: string } = {}): OciSpec {
  return {
    ociVersion: '1.0.2',
    process: {
      args, terminal: options.terminal ?? false, cwd: '/', env: ['PATH=/bin:/sbin:/usr/bin'], user: { uid: 0, gid: 0 },
      capabilities: { bounding: [], effective: [], permitted: [] },
    },
    root: { path: options.root ?? '/run/kata-containers/shared/containers/rootfs', readonly: false },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
    ],
    linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'ipc' }, { type: 'uts' }] },
  };
}

export function execSetup(containerId: string, execId: string, args: readonly string[], terminal = false): ProcessSetup {
  return {
    containerId, execId, args, env: ['PATH=/bin:/sbin:/usr/bin'], cwd: '/', terminal, uid: 0, gid: 0, additionalGids: [], capabilities: [], noNewPrivileges: false, rlimits: [],
  };
}

export async function collect(output: AsyncIterable<OutputEvent>): Promise<OutputEvent[]> {
  const events: OutputEvent[] = [];
  for await (const event of output) events.push(event);
  return events;
}

export function textOf(events: readonly OutputEvent[], stream: 'stdout' | 'stderr'): string {
  return Buffer.concat(events.flatMap((event) => (event.kind === stream ? [event.data] : []))).toString();
}
