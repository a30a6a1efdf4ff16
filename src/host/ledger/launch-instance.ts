import { join } from 'node:path';
import { instanceOfSpec, SHARE_VIEWS, type InstanceMarks } from '../../core/model/marks.ts';
import type { Files } from '../../core/ports/host.ts';
import { directoryEntries } from './directory-entries.ts';

/** A spec is at most 1 MiB of words, and JSON makes them longer. */
const LARGEST_SPEC = 8 * 1024 * 1024;

/**
 * The instance that a run directory's launches were made by, as their specs tell; undefined when none tells. A daemon that was given another
 * state directory (a disk that was not mounted) must not take what it finds in the old run directory for its own.
 */
export async function instanceOfRun(marks: InstanceMarks, owner: string, files: Files): Promise<string | undefined> {
  const home = join(marks.runs, owner);
  for (const entry of await directoryEntries(home)) {
    if (!entry.isDirectory() || SHARE_VIEWS.has(entry.name)) continue;
    const bytes = await files.read(join(home, entry.name, 'spec.json'), LARGEST_SPEC);
    const instance = bytes === undefined ? undefined : instanceOfSpec(Buffer.from(bytes).toString('utf8'));
    if (instance !== undefined) return instance;
  }
  return undefined;
}
