import type { Profile, ProfileKey } from '../core/model/profile.ts';
import { bad, booleanKind, choiceKind, ConfigValueError, countKind, durationKind, pathKind, sizeKind, textKind } from './config-values.ts';
import type { RawValue, ValueKind } from './config-values.ts';
import { MOST_PORTS } from '../core/machine/slot-map.ts';

/** Which field of the model a key fills, and how its value is read. `K` ties the kind's type to the field's. */
interface KeyOf<Field extends keyof Profile> {
  readonly field: Field;
  readonly kind: ValueKind<Profile[Field]>;
}

const MIB = 1024 * 1024;
/** Below this no guest of ours comes up. */
const LEAST_MEMORY = 64 * MIB;
/** Smaller ones have room for no more than their own tables. */
const LEAST_WRITABLE = 64 * MIB;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

function field<Field extends keyof Profile>(name: Field, kind: ValueKind<Profile[Field]>): KeyOf<Field> {
  return { field: name, kind };
}

const optionalPath: ValueKind<string> = { ...pathKind, read: (raw, context) => (raw === '' ? '' : pathKind.read(raw, context)) };

const optionalName: ValueKind<string> = {
  ...textKind,
  read: (raw, context) => {
    const value = textKind.read(raw, context);
    if (value !== '' && !NAME.test(value)) throw bad(raw, 'must be a name');
    return value;
  },
};

/** QEMU's options are parted by commas; a model with properties (`host,-vmx`) is one option of its own. */
const cpuModelKind: ValueKind<string> = {
  ...textKind,
  read: (raw, context) => {
    const value = textKind.read(raw, context);
    if (!/^[a-zA-Z0-9._+=,-]{0,256}$/.test(value)) throw bad(raw, 'must be a CPU model such as host or max');
    return value;
  },
};

const kernelParamsKind: ValueKind<string> = {
  ...textKind,
  read: (raw, context) => {
    const value = textKind.read(raw, context);
    if (!/^[\x20-\x7e]{0,1024}$/.test(value)) throw bad(raw, 'must be at most 1024 printable ASCII characters');
    return value.trim();
  },
};

/** Every key of a profile. Total by its type: a new ProfileKey does not compile without its reader. */
export const PROFILE_KEYS = {
  hypervisor: field('hypervisor', choiceKind('qemu')),
  hypervisor_path: field('hypervisorPath', pathKind),
  accelerator: field('accelerator', choiceKind('auto', 'kvm', 'tcg')),
  machine: field('machine', choiceKind('q35', 'microvm')),
  cpu_model: field('cpuModel', cpuModelKind),
  cpus: field('cpus', countKind(1, 1024)),
  max_cpus: field('maxCpus', countKind(1, 1024)),
  memory: field('memoryBytes', sizeKind(LEAST_MEMORY)),
  max_memory: field('maxMemoryBytes', sizeKind(LEAST_MEMORY)),
  memory_overhead: field('memoryOverheadBytes', sizeKind(0)),
  guest: field('guest', optionalName),
  kernel: field('kernel', optionalPath),
  initrd: field('initrd', optionalPath),
  image: field('image', optionalPath),
  kernel_params: field('kernelParams', kernelParamsKind),
  hugepages: field('hugepages', booleanKind),
  pcie_ports: field('pciePorts', countKind(0, MOST_PORTS)),
  shared_fs: field('sharedFs', choiceKind('virtiofs', 'none')),
  block_rootfs: field('blockRootfs', booleanKind),
  writable_size: field('writableSizeBytes', sizeKind(LEAST_WRITABLE)),
  virtiofsd_path: field('virtiofsdPath', pathKind),
  virtiofs_cache: field('virtiofsCache', choiceKind('auto', 'always', 'none')),
  agent: field('agent', choiceKind('viv-agent', 'kata', 'none')),
  guest_hook_path: field('guestHookPath', optionalPath),
  boot_timeout: field('bootTimeoutMs', durationKind(1000, 600_000)),
  create_timeout: field('createTimeoutMs', durationKind(1000, 3_600_000)),
  stop_timeout: field('stopTimeoutMs', durationKind(1000, 600_000)),
  vmm_hung_timeout: field('vmmHungTimeoutMs', durationKind(0, 86_400_000)),
  agent_lost_timeout: field('agentLostTimeoutMs', durationKind(0, 86_400_000)),
  allowed_overrides: field('allowedOverrides', { shape: 'LIST', read: readAllowed, write: (keys) => keys }),
} as const satisfies { readonly [K in ProfileKey]: { readonly field: keyof Profile } };

export function isProfileKey(text: string): text is ProfileKey {
  return Object.hasOwn(PROFILE_KEYS, text);
}

/** The list itself is never open to a caller: whoever may change it may change everything. */
function readAllowed(raw: RawValue): readonly ProfileKey[] {
  const names = typeof raw === 'string' ? raw.split(',').map((name) => name.trim()) : raw;
  const wrong = names.filter((name) => !isProfileKey(name) || name === 'allowed_overrides');
  if (wrong.length > 0) throw new ConfigValueError(`${wrong.map((name) => JSON.stringify(name)).join(', ')} can't be overridden; possible are ${overridableKeys().join(', ')}`);
  return Object.freeze(names.filter(isProfileKey));
}

function overridableKeys(): readonly string[] {
  return Object.keys(PROFILE_KEYS).filter((name) => name !== 'allowed_overrides');
}
