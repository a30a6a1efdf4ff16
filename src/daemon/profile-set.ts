import { join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import { isName } from '../core/model/ids.ts';
import type { Profile } from '../core/model/profile.ts';
import { applyOverrides, builtInDefault, parseProfile, ProfileError, profileView } from './profiles.ts';
import type { ProfileView } from './services/facade.ts';

/** The little of a file system that profiles need. */
export interface ProfileFiles {
  exists(path: string): boolean;
  /** Names in a directory; empty when there is none. */
  list(directory: string): readonly string[];
  read(path: string): string;
}

const SUFFIX = '.toml';
const MIB = 1024 * 1024;

interface Entry {
  readonly profile: Profile;
  /** Empty: built in. */
  readonly path: string;
}

/**
 * The profiles of one directory over those built in (`default` and `small`); a file of the same name replaces a built-in one. Read once, when
 * the daemon starts. A file that can't be used spoils its own profile only.
 */
export class ProfileSet {
  readonly #entries: ReadonlyMap<string, Entry>;
  /** Name → why its file can't be used. */
  readonly broken: ReadonlyMap<string, readonly string[]>;

  private constructor(entries: ReadonlyMap<string, Entry>, broken: ReadonlyMap<string, readonly string[]>) {
    this.#entries = entries;
    this.broken = broken;
  }

  static load(directory: string, files: ProfileFiles): ProfileSet {
    const base = builtInDefault((path) => files.exists(path));
    const entries = new Map<string, Entry>([['default', { profile: base, path: '' }], ['small', { profile: small(base), path: '' }]]);
    const broken = new Map<string, readonly string[]>();
    for (const file of files.list(directory).filter((name) => name.endsWith(SUFFIX)).sort()) {
      const name = file.slice(0, -SUFFIX.length);
      const path = join(directory, file);
      try {
        if (!isName(name)) throw new ProfileError([`${path}: ${JSON.stringify(name)} can't be the name of a profile`]);
        entries.set(name, { profile: parseProfile(name, path, files.read(path), base), path });
      } catch (error) {
        if (!(error instanceof ProfileError)) throw error;
        broken.set(name, error.problems);
        entries.delete(name);
      }
    }
    return new ProfileSet(entries, broken);
  }

  /** The named profile with the overrides in it. PROFILE_NOT_FOUND, OVERRIDE_NOT_ALLOWED or INVALID_REQUEST. */
  resolve(name: string, overrides: Readonly<Record<string, string>>): Profile {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw this.#missing(name);
    return applyOverrides(entry.profile, overrides);
  }

  views(): readonly ProfileView[] {
    return [...this.#entries.values()].map(({ profile, path }) => profileView(profile, path));
  }

  #missing(name: string): DomainError {
    const problems = this.broken.get(name);
    const there = [...this.#entries.keys()].sort().join(', ');
    if (problems === undefined) return new DomainError('PROFILE_NOT_FOUND', `there is no profile ${name}; there are ${there}`, { remedy: 'choose one of these, or add its file and restart the daemon' });
    return new DomainError('PROFILE_NOT_FOUND', `the file of profile ${name} can't be used: ${problems.join('; ')}`, { remedy: 'correct the file and restart the daemon' });
  }
}

/** As little memory as busybox and the like can live with. */
function small(base: Profile): Profile {
  return Object.freeze({ ...base, name: 'small', memoryBytes: 128 * MIB, maxMemoryBytes: 128 * MIB, memoryOverheadBytes: 64 * MIB });
}
