import type { Spec } from '../../gen/agent/oci.ts';

/** Namespaces that are the guest's own: the VM is the border. */
const OF_THE_GUEST: ReadonlySet<string> = new Set(['network', 'cgroup', 'time']);

/** A spec as an official agent takes it: capability sets present (they may be empty), no namespace that belongs to the guest, none by path. */
export function adaptSpec(spec: Spec): Spec {
  const { Process: process, Linux: linux } = spec;
  return {
    ...spec,
    Process: process && { ...process, Capabilities: process.Capabilities ?? { Bounding: [], Effective: [], Inheritable: [], Permitted: [], Ambient: [] } },
    Linux: linux && {
      ...linux,
      Namespaces: linux.Namespaces.filter(({ Type }) => !OF_THE_GUEST.has(Type)).map(({ Type }) => ({ Type, Path: '' })),
    },
  };
}
