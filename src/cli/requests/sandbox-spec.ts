import { NamespaceMode, SandboxSpec } from '../../gen/vivarium/v1/sandbox.ts';
import { parseKeyValues } from '../args/key-values.ts';
import { parsePositive } from '../args/number.ts';
import { parseSize } from '../args/size.ts';
import { UsageError } from '../cli-error.ts';
import type { SandboxFlags } from './container-flags.ts';

export interface SandboxNaming {
  readonly name?: string;
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly autoRemove: boolean;
  /** Its containers start from images and use nothing else of the host. */
  readonly images?: boolean;
  /** One of them comes on disks. */
  readonly disks?: boolean;
}

/**
 * Flags → what CreateSandbox takes. Everything left out is the profile's choice.
 * @throws {UsageError}
 */
export function sandboxSpec(flags: SandboxFlags, naming: SandboxNaming): SandboxSpec {
  return SandboxSpec.fromPartial({
    name: naming.name ?? '',
    hostname: flags.hostname ?? '',
    dns: { servers: [...flags.dns], searches: [...flags.dnsSearch], options: [...flags.dnsOption] },
    labels: parseKeyValues(naming.label, '--label', { bare: true }),
    annotations: parseKeyValues(naming.annotation, '--annotation'),
    namespaceOptions: { pid: pidMode(flags.pid) },
    profile: flags.profile ?? '',
    overrides: { ...(naming.disks === true && naming.images !== true ? { block_rootfs: 'true' } : {}), ...parseKeyValues(flags.set, '--set') },
    workload: {
      cpus: flags.cpus === undefined ? 0 : parsePositive(flags.cpus, '--cpus'),
      memoryBytes: flags.memory === undefined ? 0n : parseSize(flags.memory, '--memory'),
      images: naming.images === true,
    },
    autoRemove: naming.autoRemove,
  });
}

function pidMode(text: string | undefined): NamespaceMode {
  switch (text) {
    case undefined: return NamespaceMode.NAMESPACE_MODE_UNSPECIFIED;
    case 'container': return NamespaceMode.NAMESPACE_MODE_CONTAINER;
    case 'sandbox': return NamespaceMode.NAMESPACE_MODE_SANDBOX;
    default: throw new UsageError(`--pid: there is no "${text}"`, 'known are container (the default) and sandbox');
  }
}

/**
 * A container that joins a sandbox takes it as it is.
 * @throws {UsageError} naming the flags that would need a sandbox of its own
 */
export function refuseSandboxFlags(flags: SandboxFlags): void {
  const given = [
    flags.hostname !== undefined && '--hostname', flags.profile !== undefined && '--profile', flags.set.length > 0 && '--set',
    flags.pid !== undefined && '--pid', flags.dns.length + flags.dnsSearch.length + flags.dnsOption.length > 0 && '--dns',
  ].filter((flag) => flag !== false);
  if (given.length > 0) throw new UsageError(`${given.join(', ')} cannot be used with --sandbox`, 'they belong to viv sandbox create');
}
