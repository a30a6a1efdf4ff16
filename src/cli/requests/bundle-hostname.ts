import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The `hostname` of an OCI bundle (runtime-spec 1.0, config.md#hostname); empty when it has none. A host name belongs to a sandbox, so it is what a
 * sandbox gets that is made for the bundle. A bundle that can't be read has none here: the daemon, which reads it as a whole, says what is wrong.
 */
export async function bundleHostname(bundle: string): Promise<string> {
  try {
    const config: unknown = JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8'));
    return typeof config === 'object' && config !== null && 'hostname' in config && typeof config.hostname === 'string' ? config.hostname : '';
  } catch {
    // Told by the daemon, with the field or the file that is at fault.
    return '';
  }
}
