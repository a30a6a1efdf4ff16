import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, publishFile, readIfThere } from './atomic-files.ts';
import { BuildError } from './build-error.ts';
import type { CommandRunner } from './command-runner.ts';
import { parseDebRecords } from './deb-control.ts';
import type { DebRecord } from './deb-control.ts';
import { digestOf, sha256File } from './digests.ts';
import type { Progress } from './progress.ts';

const APT_LISTS = '/var/lib/apt/lists';
const UPDATE = 'run apt-get update (as root) and try again';

interface Answers {
  readonly stamp: string;
  readonly records: Record<string, DebRecord>;
}

/** Debian packages by apt: what the newest version is, and its file, checked against the archive's digest. */
export class DebianArchive {
  readonly #directory: string;
  readonly #runner: CommandRunner;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  readonly #listsDirectory: string;

  constructor(options: { directory: string; runner: CommandRunner; progress: Progress; signal: AbortSignal; listsDirectory?: string }) {
    this.#directory = options.directory;
    this.#runner = options.runner;
    this.#progress = options.progress;
    this.#signal = options.signal;
    this.#listsDirectory = options.listsDirectory ?? APT_LISTS;
  }

  /** The candidate of each package. Remembered until apt's lists change, since asking apt takes most of a second. */
  async resolve(names: readonly string[]): Promise<DebRecord[]> {
    const stamp = await this.#listsStamp();
    const answers = await this.#answers(stamp);
    const unknown = names.filter((name) => answers.records[name] === undefined);
    if (unknown.length > 0) {
      this.#progress.step('resolve', unknown.join(' '));
      for (const record of await this.#ask(unknown)) answers.records[record.package] = record;
      await mkdir(this.#directory, { recursive: true });
      await publishFile(join(this.#directory, 'resolved.json'), JSON.stringify(answers));
    }
    return names.map((name) => {
      const record = answers.records[name];
      if (record === undefined) throw new BuildError('package_not_found', `apt knows no package ${name} that it could download`, { remedy: UPDATE });
      return record;
    });
  }

  /** The package's file, from the cache or by apt-get; an interrupted download is taken up where it stopped. */
  async fetch(record: DebRecord): Promise<string> {
    const file = join(this.#directory, `${record.package}_${record.version.replaceAll(':', '%3a')}_${record.architecture}.deb`);
    if (await isFile(file, record.size)) {
      if ((await sha256File(file)) === record.sha256) return file;
      await rm(file);
    }
    this.#progress.step('download', `${record.package} ${record.version}`);
    const partial = join(this.#directory, 'partial');
    await mkdir(partial, { recursive: true });
    await this.#download(record, partial);
    const found = (await readdir(partial)).find((name) => name.startsWith(`${record.package}_`) && name.endsWith('.deb'));
    if (found === undefined) throw new BuildError('download_failed', `apt-get left no file for ${record.package}`, { remedy: UPDATE });
    const digest = await sha256File(join(partial, found));
    if (digest !== record.sha256) {
      await rm(join(partial, found));
      throw new BuildError('checksum_mismatch', `${record.package}: got SHA-256 ${digest}, the archive says ${record.sha256}`, { remedy: UPDATE });
    }
    await rename(join(partial, found), file);
    return file;
  }

  async #download(record: DebRecord, cwd: string): Promise<void> {
    const onStatusLine = (line: string): void => {
      const percent = /^dlstatus:[^:]*:([0-9.]+):/.exec(line)?.[1];
      if (percent !== undefined) this.#progress.advance(Math.round((Number(percent) / 100) * record.size), record.size);
    };
    try {
      await this.#runner.run('apt-get', [
        '-q', '-o', 'APT::Status-Fd=3', '-o', 'Acquire::Retries=3', 'download', `${record.package}=${record.version}`,
      ], { cwd, signal: this.#signal, onStatusLine });
    } catch (error) {
      if (!(error instanceof BuildError) || error.code !== 'command_failed') throw error;
      throw new BuildError('download_failed', `${record.package} ${record.version} can't be downloaded: ${error.message}`, { remedy: UPDATE, cause: error });
    }
    this.#progress.advance(record.size, record.size);
  }

  async #ask(names: readonly string[]): Promise<DebRecord[]> {
    // apt-cache ends with 100 when it does not know one of several names, and still shows the others.
    const result = await this.#runner.run('apt-cache', ['show', '--no-all-versions', ...names], { signal: this.#signal, accept: [100] });
    return parseDebRecords(result.stdout.toString('utf8'));
  }

  async #answers(stamp: string): Promise<Answers> {
    const bytes = await readIfThere(join(this.#directory, 'resolved.json'));
    if (bytes === undefined) return { stamp, records: {} };
    try {
      // Written by this class alone; a stamp that fits means the shape does too.
      const kept = JSON.parse(bytes.toString('utf8')) as Answers;
      if (kept.stamp === stamp) return kept;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    return { stamp, records: {} };
  }

  async #listsStamp(): Promise<string> {
    const names = (await namesIn(this.#listsDirectory)).filter((name) => name.includes('_Packages')).sort();
    const facts = await Promise.all(names.map(async (name) => {
      const info = await stat(join(this.#listsDirectory, name));
      return [name, info.size, info.mtimeMs];
    }));
    return digestOf({ version: 1, facts });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

async function isFile(path: string, size: number): Promise<boolean> {
  try {
    return (await stat(path)).size === size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
