import { stat } from 'node:fs/promises';
import type { GetVersionResponse } from '../../gen/vivarium/v1/host.ts';
import type { CommandContext } from '../context.ts';
import { daemonFailure, isUnreachable } from './daemon-failure.ts';

/** Who answers at the address; undefined when nobody does. */
export async function askVersion(context: CommandContext): Promise<GetVersionResponse | undefined> {
  const { socketPath } = context.address;
  // Looked at before the gRPC library is loaded: without a socket there is nobody to ask.
  if (socketPath !== undefined && !(await isSocket(socketPath))) return undefined;
  try {
    return await (await context.connect('host')).host.getVersion({});
  } catch (error) {
    const failure = daemonFailure(error);
    if (failure !== undefined && isUnreachable(failure)) return undefined;
    throw error;
  }
}

async function isSocket(path: string): Promise<boolean> {
  return await stat(path).then((found) => found.isSocket(), () => false);
}
