import { parse, stringify, TomlError } from 'smol-toml';
import { DomainError, invalidRequest } from '../core/model/errors.ts';
import type { FieldViolation } from '../core/model/errors.ts';
import type { Profile, ProfileKey } from '../core/model/profile.ts';
import { ConfigValueError } from './config-values.ts';
import type { RawValue, TomlValue, ValueKind } from './config-values.ts';
import { isProfileKey, PROFILE_KEYS } from './profile-keys.ts';
import type { ProfileView } from './services/facade.ts';

const MIB = 1024 * 1024;
/** Debian 12's place, then those of the Rust virtiofsd and of other distributions. */
const VIRTIOFSD_PLACES = ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd', '/usr/bin/virtiofsd'];

/** Why a profile's file can't be used: one line a problem, `FILE:KEY: what`. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * The profile that others are read over. Callers may choose the size of their VM and the accelerator. They may not give kernel parameters: with
 * these a caller turns off what the guest's kernel defends itself with, changes the agent's settings, or points the root elsewhere, and none of
 * that shows in the request's other fields. An operator who wants that says so in a profile.
 */
export function builtInDefault(exists: (path: string) => boolean): Profile {
  return Object.freeze({
    name: 'default',
    hypervisor: 'qemu',
    hypervisorPath: '/usr/bin/qemu-system-x86_64',
    accelerator: 'auto',
    machine: 'q35',
    cpuModel: '',
    cpus: 1,
    maxCpus: 1,
    memoryBytes: 256 * MIB,
    maxMemoryBytes: 256 * MIB,
    memoryOverheadBytes: 96 * MIB,
    guest: 'default',
    kernel: '',
    initrd: '',
    image: '',
    kernelParams: '',
    hugepages: false,
    pciePorts: 4,
    sharedFs: 'virtiofs',
    blockRootfs: false,
    writableSizeBytes: 10 * 1024 * MIB,
    virtiofsdPath: VIRTIOFSD_PLACES.find(exists) ?? '/usr/libexec/virtiofsd',
    // Nobody but the guest changes what is below the share; with `auto` every open reads the file again, an exec's program too.
    virtiofsCache: 'always',
    agent: 'viv-agent',
    guestHookPath: '',
    bootTimeoutMs: 60_000,
    createTimeoutMs: 120_000,
    stopTimeoutMs: 30_000,
    vmmHungTimeoutMs: 0,
    agentLostTimeoutMs: 0,
    allowedOverrides: Object.freeze<ProfileKey[]>(['cpus', 'max_cpus', 'memory', 'max_memory', 'accelerator', 'block_rootfs']),
  });
}

/** Reads a profile's text; keys that it lacks are as in `base`. Throws ProfileError with every problem. */
export function parseProfile(name: string, file: string, text: string, base: Profile): Profile {
  const problems: string[] = [];
  const changes = new Map<ProfileKey, RawValue>();
  for (const [key, value] of Object.entries(parseToml(file, text))) {
    const raw = toRaw(value);
    if (!isProfileKey(key)) problems.push(`${file}:${key}: there is no such key`);
    else if (raw === undefined) problems.push(`${file}:${key}: must be text, a number, true or false, or a list of texts`);
    else changes.set(key, raw);
  }
  const { profile, violations } = change({ ...base, name }, changes);
  problems.push(...violations.map(({ field, description }) => `${file}:${field}: ${description}`));
  if (problems.length > 0) throw new ProfileError(problems);
  return profile;
}

/**
 * The profile with a caller's overrides in it. OVERRIDE_NOT_ALLOWED for a key that the profile does not list, compared letter by letter;
 * INVALID_REQUEST with every field error for bad values.
 */
export function applyOverrides(profile: Profile, overrides: Readonly<Record<string, string>>): Profile {
  const allowed: ReadonlySet<string> = new Set(profile.allowedOverrides);
  const refused = Object.keys(overrides).filter((key) => !allowed.has(key));
  if (refused.length > 0) {
    const list = profile.allowedOverrides.length === 0 ? 'none' : profile.allowedOverrides.join(', ');
    throw new DomainError('OVERRIDE_NOT_ALLOWED', `profile ${profile.name} does not allow to override ${refused.join(', ')}; allowed: ${list}`, {
      remedy: 'leave the key out, or choose a profile that allows it',
      facts: { profile: profile.name, refused: refused.join(','), allowed: profile.allowedOverrides.join(',') },
    });
  }
  // The profile itself, not a copy: each sandbox of it keeps what this returns.
  if (Object.keys(overrides).length === 0) return profile;
  const changes = new Map(Object.entries(overrides).filter((entry): entry is [ProfileKey, string] => isProfileKey(entry[0])));
  const { profile: changed, violations } = change(profile, changes);
  if (violations.length > 0) throw invalidRequest(violations.map(({ field, description }) => ({ field: `spec.overrides[${JSON.stringify(field)}]`, description })));
  return changed;
}

/** A profile as the TOML that reads as the same. */
export function profileToml(profile: Profile): string {
  const entries = Object.entries(PROFILE_KEYS).map(([key, { field, kind }]) => [key, (kind as ValueKind<unknown>).write(profile[field])] as const);
  return stringify(Object.fromEntries(entries) satisfies Record<string, TomlValue>);
}

export function profileView(profile: Profile, path: string): ProfileView {
  return Object.freeze({ name: profile.name, path, toml: profileToml(profile), allowedOverrides: profile.allowedOverrides });
}

function change(base: Profile, changes: ReadonlyMap<ProfileKey, RawValue>): { profile: Profile; violations: readonly FieldViolation[] } {
  const violations: FieldViolation[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, raw] of changes) {
    try {
      values[PROFILE_KEYS[key].field] = PROFILE_KEYS[key].kind.read(raw, { baseDirectory: undefined });
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
      violations.push({ field: key, description: error.message });
    }
  }
  const merged = withMaxima(base, { ...base, ...values }, changes);
  if (violations.length === 0) violations.push(...contradictions(merged));
  return { profile: Object.freeze(merged), violations };
}

/** A maximum that was no more than the size follows it; one that was set above holds. */
function withMaxima(base: Profile, next: Profile, changes: ReadonlyMap<ProfileKey, RawValue>): Profile {
  return {
    ...next,
    maxCpus: changes.has('max_cpus') || base.maxCpus > base.cpus ? next.maxCpus : next.cpus,
    maxMemoryBytes: changes.has('max_memory') || base.maxMemoryBytes > base.memoryBytes ? next.maxMemoryBytes : next.memoryBytes,
  };
}

function contradictions(profile: Profile): FieldViolation[] {
  const found: FieldViolation[] = [];
  const check = (holds: boolean, field: ProfileKey, description: string): void => {
    if (!holds) found.push({ field, description });
  };
  check(profile.cpus <= profile.maxCpus, 'cpus', `${profile.cpus} is more than max_cpus, ${profile.maxCpus}`);
  check(profile.memoryBytes <= profile.maxMemoryBytes, 'memory', `${profile.memoryBytes} bytes is more than max_memory, ${profile.maxMemoryBytes}`);
  check(profile.guest !== '' || profile.kernel !== '', 'guest', 'neither a guest nor a kernel is given');
  check(profile.guest === '' || profile.kernel === '', 'kernel', 'excludes guest; set guest = ""');
  check(profile.initrd === '' || profile.kernel !== '', 'initrd', 'needs kernel');
  check(profile.kernel === '' || profile.initrd !== '' || profile.image !== '', 'kernel', 'needs initrd or image');
  return found;
}

function parseToml(file: string, text: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ProfileError([`${file}:${error.line}:${error.column}: ${error.message.split('\n', 1)[0] ?? ''}`]);
  }
}

function toRaw(value: unknown): RawValue | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}
