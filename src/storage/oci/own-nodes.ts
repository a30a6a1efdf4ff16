import type { ContainerNode } from '../../core/ports/agent.ts';
import type { OciDevice, OciDeviceRule } from './runtime-spec.ts';

/** Read and write for root and its group, as a disk's node has it; the guest's agent keeps what the guest's own node allows beyond. */
const MODE = 0o660;

/** Nodes that every container has (config-linux.md, "Default Devices") with their numbers, which are the kernel's own; terminals have any. */
const COMMON: readonly (readonly [number, number | undefined])[] = [[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2], [136, undefined]];

/** Nothing but these, and a node may be made of anything: what it leads to can't be opened all the same. */
export const COMMON_RULES: readonly OciDeviceRule[] = [
  { allow: false, type: 'a', access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...COMMON.map(([major, minor]): OciDeviceRule => ({ allow: true, type: 'c', major, ...(minor === undefined ? {} : { minor }), access: 'rwm' })),
];

/**
 * Nodes of a container's own and the rules for them. Their numbers are the guest's, which fills them in: what stands here (0 and the position)
 * only ties a rule to its node, as the kata protocol wants it.
 */
export function ownNodes(nodes: readonly ContainerNode[]): { readonly devices: readonly OciDevice[]; readonly rules: readonly OciDeviceRule[] } {
  return {
    devices: nodes.map(({ containerPath, place }, minor) => ({ path: containerPath, type: typeOf(place), major: 0, minor, fileMode: MODE, uid: 0, gid: 0 })),
    rules: nodes.map(({ permissions, place }, minor) => ({ allow: true, type: typeOf(place), major: 0, minor, access: permissions })),
  };
}

function typeOf(place: string): 'b' | 'c' {
  return place === '' ? 'c' : 'b';
}
