import type { ContainerNode } from '../../core/ports/agent.ts';
import type { OciDevice, OciDeviceRule } from './runtime-spec.ts';

/** Read and write for root and its group, as a disk's node has it; the guest's agent keeps what the guest's own node allows beyond. */
const MODE = 0o660;

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
