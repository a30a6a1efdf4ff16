import { isJsonObject, parseJsonObject } from '../json-document.ts';
import type { JsonObject } from '../json-document.ts';
import type { Violations } from './violations.ts';

function problemOf(profile: JsonObject): string | undefined {
  if (typeof profile['defaultAction'] !== 'string') return 'it has no "defaultAction"';
  const syscalls = profile['syscalls'] ?? [];
  if (!Array.isArray(syscalls)) return '"syscalls" is no list';
  const wrong = syscalls.findIndex((rule) => !isJsonObject(rule) || !Array.isArray(rule['names']) || typeof rule['action'] !== 'string');
  return wrong < 0 ? undefined : `syscalls[${wrong}] has no "names" or no "action"`;
}

/** An OCI seccomp profile (config-linux.md, "Seccomp") as it was given. Whether the guest can apply it is the agent's to say: it refuses, never ignores. */
export function checkedSeccomp(json: string, field: string, violations: Violations): JsonObject | undefined {
  if (json.trim() === '') return undefined;
  try {
    const profile = parseJsonObject(json);
    const problem = problemOf(profile);
    if (problem === undefined) return profile;
    violations.add(field, `not an OCI seccomp profile: ${problem}`);
  } catch (error) {
    violations.add(field, `not an OCI seccomp profile: ${error instanceof Error ? error.message : String(error)}`);
  }
  return undefined;
}
