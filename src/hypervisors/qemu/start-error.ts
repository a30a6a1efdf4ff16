import { DomainError } from '../../core/model/errors.ts';
import type { VmSpec } from '../../core/ports/hypervisor.ts';

/** QEMU's words (strerror(3) of ENOMEM) when the host's kernel refuses the guest's memory: by overcommit, a limit of the process, or hugepages that are not there. */
const NO_MEMORY = /Cannot allocate memory/;

/** What a VM's early end means for whoever asked for it: CAPACITY_EXHAUSTED when the host had no room for its memory; else the error as it is. */
export function startError(error: unknown, spec: Pick<VmSpec, 'memoryBytes' | 'hugepages'>): unknown {
  if (!(error instanceof DomainError) || error.reason !== 'VMM_EXITED' || !NO_MEMORY.test(error.details.facts?.['stderr'] ?? '')) return error;
  const remedy = spec.hugepages
    ? 'reserve more hugepages (vm.nr_hugepages), or ask for less memory'
    : 'ask for less memory, end other sandboxes, or look at vm.overcommit_memory; admission.memory bounds what sandboxes get together';
  return new DomainError('CAPACITY_EXHAUSTED', `the host has no room for a guest of ${spec.memoryBytes} bytes${spec.hugepages ? ' of hugepages' : ''}: ${error.message}`, {
    ...error.details,
    remedy,
    facts: { ...error.details.facts, memory_bytes: String(spec.memoryBytes) },
    cause: error,
  });
}
