import type { GetVersionResponse } from '../../gen/vivarium/v1/host.ts';
import type { CommandContext } from '../context.ts';
import { daemonFailure, isUnreachable } from './daemon-failure.ts';

/** Who answers at the address; undefined when nobody does. */
export async function askVersion(context: CommandContext): Promise<GetVersionResponse | undefined> {
  // Looked at before the gRPC library is loaded: without a socket there is nobody to ask.
  const { stat } = await import('node:fs/promises');
  const isSocket = await stat(context.address.socketPath).then((found) => found.isSocket(), () => false);
  if (!isSocket) return undefined;
  try {
    return await (await context.connect('host')).host.getVersion({});
  } catch (error) {
    const failure = daemonFailure(error);
    if (failure !== undefined && isUnreachable(failure)) return undefined;
    throw error;
  }
}
