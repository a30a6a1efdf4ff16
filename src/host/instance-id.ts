import { join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import { parseInstanceId, type InstanceId } from '../core/model/ids.ts';
import type { Files, IdSource } from '../core/ports/host.ts';

const FILE = 'instance';

/**
 * The mark by which this daemon's resources on the host are told from another's: 4 hex digits in `<root>/instance`, drawn once.
 * HOST_RESOURCE when the file holds something else: then nobody knows whose the resources are.
 */
export async function readInstanceId(root: string, files: Files, ids: IdSource): Promise<InstanceId> {
  const path = join(root, FILE);
  const found = await files.read(path, 64);
  if (found !== undefined) {
    const id = parseInstanceId(new TextDecoder().decode(found).trim());
    if (id === undefined) throw new DomainError('HOST_RESOURCE', `${path} does not hold an instance id`, { remedy: 'restore the file: 4 hex digits, as in the names viv-XXXX-… of this daemon\'s VMs' });
    return id;
  }
  const id = parseInstanceId(Buffer.from(ids.random(2)).toString('hex'));
  if (id === undefined) throw new DomainError('INTERNAL', 'no instance id could be made');
  await files.publish(path, new TextEncoder().encode(`${id}\n`));
  return id;
}
