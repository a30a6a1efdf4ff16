declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** 32 lower case hex digits: a version 7 UUID (RFC 9562) without dashes. */
export type SandboxId = Branded<'SandboxId'>;
/** As SandboxId. It is the container_id of the agent's protocol too. */
export type ContainerId = Branded<'ContainerId'>;
export type ExecId = Branded<'ExecId'>;
/** 4 lower case hex digits, one daemon's mark on its host. */
export type InstanceId = Branded<'InstanceId'>;

const FULL = /^[0-9a-f]{32}$/;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

export function parseSandboxId(text: string): SandboxId | undefined {
  return FULL.test(text) ? (text as SandboxId) : undefined;
}

export function parseContainerId(text: string): ContainerId | undefined {
  return FULL.test(text) ? (text as ContainerId) : undefined;
}

export function parseExecId(text: string): ExecId | undefined {
  return FULL.test(text) ? (text as ExecId) : undefined;
}

export function parseInstanceId(text: string): InstanceId | undefined {
  return /^[0-9a-f]{4}$/.test(text) ? (text as InstanceId) : undefined;
}

/** A name that a user may give: `[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}`. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** The last 10 hex digits: the first 8 of a version 7 UUID repeat for a minute, the last 10 are random. */
export function shortId(id: string): string {
  return id.slice(-10);
}

/** The shortest end of an id that is taken for it. */
export const SHORTEST_ID_END = 4;

/** A host link name: at most 15 bytes (IFNAMSIZ - 1). */
export function linkName(instance: InstanceId, id: SandboxId): string {
  return `v${instance}${shortId(id)}`;
}

/** The name of any other host resource: cgroup, network namespace, mount directory. */
export function hostName(instance: InstanceId, id: SandboxId): string {
  return `viv-${instance}-${shortId(id)}`;
}
