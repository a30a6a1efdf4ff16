import type { SandboxSpec } from '../../core/model/sandbox-spec.ts';
import type { GuestStorage, SandboxSetup } from '../../core/ports/agent.ts';
import { GUEST_SANDBOX_SHM, GUEST_SHARED_DIR } from './guest-paths.ts';

/** What `docker run` gives, too. */
const SHM_BYTES = 64 * 1024 * 1024;

/** Lines of resolv.conf(5); none when nothing is configured. */
export function resolvConfLines(dns: SandboxSpec['dns']): readonly string[] {
  return [
    ...dns.servers.map((server) => `nameserver ${server}`),
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
  ];
}

/** The share that virtiofsd serves, where the kata agent's protocol has it. */
export function shareStorage(tag: string): GuestStorage {
  return { driver: 'virtio-fs', source: tag, fstype: 'virtiofs', options: ['nodev'], mountPoint: GUEST_SHARED_DIR };
}

/** The memory that all containers of a sandbox share, as they share its ipc namespace. */
function shmStorage(): GuestStorage {
  return { driver: 'ephemeral', source: 'shm', fstype: 'tmpfs', options: ['noexec', 'nosuid', 'nodev', 'mode=1777', `size=${SHM_BYTES}`], mountPoint: GUEST_SANDBOX_SHM };
}

/** What the agent is told when a sandbox is set up. `shareTag` undefined: the sandbox has no shared file system. */
export function sandboxSetup(input: { readonly sandboxId: string; readonly hostname: string; readonly spec: SandboxSpec; readonly shareTag: string | undefined }): SandboxSetup {
  return {
    sandboxId: input.sandboxId,
    hostname: input.hostname,
    dns: resolvConfLines(input.spec.dns),
    storages: [...(input.shareTag === undefined ? [] : [shareStorage(input.shareTag)]), shmStorage()],
    sharedPidNamespace: input.spec.sharedPidNamespace,
  };
}
