import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../src/core/model/errors.ts';
import { ProfileSet } from '../../../src/daemon/profile-set.ts';
import { applyOverrides, builtInDefault, parseProfile, ProfileError, profileToml } from '../../../src/daemon/profiles.ts';

const MIB = 1024 * 1024;
const base = builtInDefault(() => false);

const problemsOf = (text: string): readonly string[] => {
  try {
    parseProfile('big', '/p/big.toml', text, base);
    return [];
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    return error.problems;
  }
};

const refusal = (work: () => unknown): DomainError => {
  try {
    work();
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('a profile\'s file', () => {
  it('changes what it names', () => {
    const profile = parseProfile('big', '/p/big.toml', 'cpus = 4\nmemory = "2GiB"\nboot_timeout = "5s"\nhugepages = true\nallowed_overrides = ["memory"]\n', base);
    expect(profile).toMatchObject({ name: 'big', cpus: 4, maxCpus: 4, memoryBytes: 2048 * MIB, maxMemoryBytes: 2048 * MIB, bootTimeoutMs: 5000, hugepages: true, allowedOverrides: ['memory'], guest: 'default' });
    expect(Object.isFrozen(profile)).toBe(true);
  });

  it('is refused with every problem by file and key', () => {
    expect(problemsOf('cpus = 0\nmemmory = "1G"\naccelerator = "hvf"\nallowed_overrides = ["cpu", "allowed_overrides"]\nkernel = "relative"\n').map((problem) => problem.split(': ')[0]).sort()).toEqual([
      '/p/big.toml:accelerator', '/p/big.toml:allowed_overrides', '/p/big.toml:cpus', '/p/big.toml:kernel', '/p/big.toml:memmory',
    ]);
  });

  it('is refused when it contradicts itself', () => {
    expect(problemsOf('cpus = 4\nmax_cpus = 2\nkernel = "/k"\n').map((problem) => problem.split(': ')[0])).toEqual(['/p/big.toml:cpus', '/p/big.toml:kernel', '/p/big.toml:kernel']);
    expect(problemsOf('guest = ""\n')).toEqual(['/p/big.toml:guest: neither a guest nor a kernel is given']);
  });

  it('tells where TOML is broken', () => {
    expect(problemsOf('cpus = = 1')[0]).toMatch(/^\/p\/big\.toml:1:\d+: /);
  });

  it('reads back from what is printed of a profile', () => {
    expect(parseProfile('default', 'x', profileToml(base), { ...base, cpus: 9, maxCpus: 9 })).toEqual(base);
  });
});

describe('overrides', () => {
  it('are taken for allowed keys, and the maximum follows the size', () => {
    expect(applyOverrides(base, { cpus: '4', memory: '1G', accelerator: 'tcg' })).toMatchObject({ cpus: 4, maxCpus: 4, memoryBytes: 1024 * MIB, maxMemoryBytes: 1024 * MIB, accelerator: 'tcg' });
  });

  it('do not go beyond a maximum that the profile sets', () => {
    const capped = { ...base, maxCpus: 2 };
    expect(refusal(() => applyOverrides(capped, { cpus: '4' })).details.fields).toEqual([{ field: 'spec.overrides["cpus"]', description: '4 is more than max_cpus, 2' }]);
  });

  it('are matched exactly, and the refusal names the key and those allowed', () => {
    for (const key of ['kernel_params', 'Memory', 'mem', 'memory ', 'max_', 'allowed_overrides', '__proto__x']) {
      const error = refusal(() => applyOverrides(base, { [key]: '1' }));
      expect(error.reason).toBe('OVERRIDE_NOT_ALLOWED');
      expect(error.details.facts).toMatchObject({ refused: key, allowed: 'cpus,max_cpus,memory,max_memory,accelerator,block_rootfs' });
    }
  });

  it('tell every bad value at once', () => {
    expect(refusal(() => applyOverrides(base, { cpus: 'many', memory: '1' })).details.fields?.map(({ field }) => field)).toEqual(['spec.overrides["cpus"]', 'spec.overrides["memory"]']);
  });
});

describe('the profiles of a directory', () => {
  const load = (files: Record<string, string>): ProfileSet => ProfileSet.load('/p', { exists: () => false, list: () => Object.keys(files), read: (path) => files[path.slice('/p/'.length)] ?? '' });

  it('stand beside those built in, which a file may replace', () => {
    const set = load({ 'default.toml': 'cpus = 2\n', 'fast.toml': 'accelerator = "kvm"\n', 'notes.txt': 'x' });
    expect(set.views().map(({ name, path }) => [name, path])).toEqual([['default', '/p/default.toml'], ['small', ''], ['fast', '/p/fast.toml']]);
    expect(set.resolve('default', {}).cpus).toBe(2);
  });

  it('are not all spoilt by one bad file', () => {
    const set = load({ 'bad.toml': 'x = 1\n' });
    expect(refusal(() => set.resolve('bad', {}))).toMatchObject({ reason: 'PROFILE_NOT_FOUND', message: expect.stringContaining('/p/bad.toml:x: there is no such key') as string });
    expect(set.resolve('small', {}).memoryBytes).toBe(128 * MIB);
  });

  it('are told when a name is not among them', () => {
    expect(refusal(() => load({}).resolve('huge', {}))).toMatchObject({ reason: 'PROFILE_NOT_FOUND', message: 'there is no profile huge; there are default, small' });
  });
});
