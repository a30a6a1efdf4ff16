import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { TapCall, TapCalls, WaitOptions } from '../../core/ports/host.ts';
import type { VmRef } from '../../core/ports/hypervisor.ts';
import { vmPaths } from './paths.ts';

/**
 * A network back end of a VM that runs: a tap device in its network namespace, handed over by the launcher on the monitor for descriptors. One that is there
 * already (nobody else has a tap device there) counts as done. HOST_RESOURCE, UNSUPPORTED for a VM that was started without such a monitor.
 */
export async function addTap(taps: TapCalls, { process, runDir }: VmRef, call: Omit<TapCall, 'netns' | 'monitor'>, options: WaitOptions): Promise<void> {
  const monitor = vmPaths(runDir).descriptorSocket;
  const failure = await taps.tap({ ...call, netns: `/proc/${process.pid}/ns/net`, monitor }, options).catch(unlessThere);
  if (failure === undefined || failure.errno === 'EBUSY') return;
  if (failure.path === monitor && failure.errno === 'ENOENT') {
    throw new DomainError('UNSUPPORTED', 'this VM was started by a version that could not give it a network card later', { remedy: 'stop the sandbox and start it again' });
  }
  throw new DomainError('HOST_RESOURCE', `no tap device for the VM: ${failure.path}: ${failure.message}`, { remedy: 'the host needs /dev/net/tun, and the daemon the right to use it', facts: { errno: failure.errno } });
}

function unlessThere(error: unknown): undefined {
  const problem = toDomainError(error);
  if (problem.reason === 'VMM_FAILED' && /Duplicate ID/.test(problem.message)) return undefined;
  throw error;
}
