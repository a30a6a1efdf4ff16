import type { InstanceId } from '../../core/model/ids.ts';

const SHORT_ID = /^[0-9a-f]{10}$/;

/** The short id in a name of core/model/ids.ts that begins with an instance's prefix; undefined for any other name. */
export function ownerInName(name: string, prefix: string): string | undefined {
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return SHORT_ID.test(rest) ? rest : undefined;
}

/** What host names of an instance begin with (`hostName`). */
export function hostPrefix(instance: InstanceId): string {
  return `viv-${instance}-`;
}

/** What link names of an instance begin with (`linkName`). */
export function linkPrefix(instance: InstanceId): string {
  return `v${instance}`;
}
