import type { Rlimit, SecuritySpec } from '../../core/model/sandbox-spec.ts';
import type { Rlimit as RlimitMessage, SecuritySpec as SecurityMessage } from '../../gen/vivarium/v1/container.ts';
import type { FieldErrors } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { parseCapability } from './linux-capabilities.ts';
import { parseRlimitType } from './linux-rlimits.ts';
import { byteLength, checkAbsolutePath } from './validate-fields.ts';

const SYSCTL = /^[a-z0-9_-]+([./][a-zA-Z0-9_*:@-]+)+$/;

/** An absent message is the same as one with all fields at their zero. */
export function parseSecurity(errors: FieldErrors, field: string, message: SecurityMessage | undefined): SecuritySpec {
  const security = message ?? ABSENT;
  errors.check(!(security.unmasked && (security.maskedPaths.length > 0 || security.readonlyPaths.length > 0)), `${field}.unmasked`, 'excludes masked_paths and readonly_paths');
  return Object.freeze({
    privileged: security.privileged,
    capAdd: checkCapabilities(errors, `${field}.cap_add`, security.capAdd),
    capDrop: checkCapabilities(errors, `${field}.cap_drop`, security.capDrop),
    readOnlyRootfs: security.readOnlyRootfs,
    noNewPrivileges: security.noNewPrivileges,
    sysctls: checkSysctls(errors, `${field}.sysctls`, security.sysctls),
    rlimits: checkRlimits(errors, `${field}.rlimits`, security.rlimits),
    maskedPaths: checkPaths(errors, `${field}.masked_paths`, security.maskedPaths),
    readonlyPaths: checkPaths(errors, `${field}.readonly_paths`, security.readonlyPaths),
    unmasked: security.unmasked,
    seccompProfileJson: checkSeccomp(errors, `${field}.seccomp_profile_json`, security.seccompProfileJson),
  });
}

const ABSENT: SecurityMessage = {
  privileged: false, capAdd: [], capDrop: [], readOnlyRootfs: false, noNewPrivileges: false, sysctls: {}, rlimits: [], maskedPaths: [], readonlyPaths: [], unmasked: false, seccompProfileJson: '',
};

function checkCapabilities(errors: FieldErrors, field: string, values: readonly string[]): readonly string[] {
  errors.check(values.length <= 64, field, `has ${values.length} entries, at most 64 are allowed`);
  const names = values.slice(0, 64).map((value, index) => {
    const name = parseCapability(value);
    errors.check(name !== undefined, `${field}[${index}]`, `${JSON.stringify(value.slice(0, 48))} is not a capability`);
    return name ?? value;
  });
  return Object.freeze([...new Set(names)]);
}

function checkSysctls(errors: FieldErrors, field: string, sysctls: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(sysctls);
  errors.check(entries.length <= LIMITS.sysctls, field, `has ${entries.length} entries, at most ${LIMITS.sysctls} are allowed`);
  for (const [key, value] of entries.slice(0, LIMITS.sysctls)) {
    const at = `${field}[${JSON.stringify(key.slice(0, 64))}]`;
    errors.check(key.length <= 256 && SYSCTL.test(key) && !key.includes('..'), at, 'key must look like net.ipv4.ip_forward');
    errors.check(byteLength(value) <= 1024 && !/[\0\n]/.test(value), at, 'value must be one line of at most 1024 bytes');
  }
  return Object.freeze({ ...sysctls });
}

function checkRlimits(errors: FieldErrors, field: string, messages: readonly RlimitMessage[]): readonly Rlimit[] {
  const seen = new Set<string>();
  const rlimits = messages.slice(0, 32).map((message, index) => {
    const at = `${field}[${index}]`;
    const type = parseRlimitType(message.type);
    errors.check(type !== undefined, `${at}.type`, `${JSON.stringify(message.type.slice(0, 48))} is not a resource limit`);
    errors.check(type === undefined || !seen.has(type), `${at}.type`, 'is given twice');
    errors.check(message.soft <= message.hard, `${at}.soft`, 'must not be above hard');
    if (type !== undefined) seen.add(type);
    return Object.freeze({ type: type ?? message.type, soft: message.soft, hard: message.hard });
  });
  errors.check(messages.length <= 32, field, `has ${messages.length} entries, at most 32 are allowed`);
  return Object.freeze(rlimits);
}

function checkPaths(errors: FieldErrors, field: string, values: readonly string[]): readonly string[] {
  errors.check(values.length <= LIMITS.paths, field, `has ${values.length} entries, at most ${LIMITS.paths} are allowed`);
  return Object.freeze(values.slice(0, LIMITS.paths).map((value, index) => checkAbsolutePath(errors, `${field}[${index}]`, value)));
}

function checkSeccomp(errors: FieldErrors, field: string, text: string): string {
  if (text === '') return text;
  if (!errors.check(byteLength(text) <= LIMITS.seccompBytes, field, `must be at most ${LIMITS.seccompBytes} bytes`)) return text;
  errors.check(isSeccompProfile(text), field, 'must be a JSON object with defaultAction (OCI runtime spec, linux.seccomp)');
  return text;
}

function isSeccompProfile(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  return typeof value === 'object' && value !== null && 'defaultAction' in value && typeof value.defaultAction === 'string';
}
