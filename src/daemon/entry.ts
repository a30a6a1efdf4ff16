import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/**
 * What `bin/vivd` starts: the daemon's bundle by way of what V8 has compiled of it at build time (scripts/code-cache.mjs), which halves the time until it serves.
 *
 * V8 itself refuses data of another version or of other flags, but of the source it compares only the length. So a bundle ends with a mark of its content, and the data
 * begins with the mark of what it was made from. What does not fit, or is not there, costs time and nothing else.
 */
const MARK_LENGTH = 64;

type Program = (require: NodeJS.Require, moduleUrl: string) => void;

function start(bundle: URL, cache: URL): void {
  // The bundler writes ASCII, which needs no decoding.
  const source = readFileSync(bundle, 'latin1');
  const data = readIfThere(cache);
  const cachedData = data?.toString('latin1', 0, MARK_LENGTH) === source.slice(-MARK_LENGTH) ? data.subarray(MARK_LENGTH) : undefined;
  const script = new Script(source, { filename: fileURLToPath(bundle), cachedData });
  const program = script.runInThisContext() as Program;
  program(createRequire(bundle), bundle.href);
}

function readIfThere(file: URL): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    // Not made, or not to be read: the bundle alone will do.
    return undefined;
  }
}

start(new URL('vivd.cjs', import.meta.url), new URL('vivd.cache', import.meta.url));
