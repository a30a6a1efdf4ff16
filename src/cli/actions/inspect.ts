import { Container } from '../../gen/vivarium/v1/container.ts';
import { Sandbox } from '../../gen/vivarium/v1/sandbox.ts';
import type { Clients } from '../client/clients.ts';
import { failedWith } from '../client/daemon-failure.ts';
import { CliError } from '../cli-error.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { prettyJson } from '../format/json.ts';
import { required } from './create-container.ts';

/** `viv inspect`: everything known of containers and sandboxes, as one JSON array in the order asked for. */
export const inspect: Action<object> = async (context, operands) => {
  const clients = await context.connect('sandboxes', 'containers');
  const found = await Promise.all(operands.map((name) => findEither(clients, name)));
  context.host.stdout.write(prettyJson(found));
  return ExitCode.ok;
};

/** `viv sandbox inspect`. */
export const inspectSandbox: Action<object> = async (context, operands) => {
  const clients = await context.connect('sandboxes');
  const found = await Promise.all(operands.map((name) => findSandbox(clients, name)));
  context.host.stdout.write(prettyJson(found));
  return ExitCode.ok;
};

async function findEither(clients: Clients<'sandboxes' | 'containers'>, name: string): Promise<unknown> {
  try {
    return Container.toJSON(required((await clients.containers.getContainer({ containerId: name })).container, 'GetContainer'));
  } catch (error) {
    if (!failedWith(error, 'CONTAINER_NOT_FOUND')) throw error;
  }
  try {
    return await findSandbox(clients, name);
  } catch (error) {
    if (!failedWith(error, 'SANDBOX_NOT_FOUND')) throw error;
    throw new CliError(`there is no container and no sandbox "${name}"`, { remedy: 'see viv ps -a and viv sandbox ls', cause: error });
  }
}

async function findSandbox(clients: Clients<'sandboxes'>, name: string): Promise<unknown> {
  return Sandbox.toJSON(required((await clients.sandboxes.getSandbox({ sandboxId: name })).sandbox, 'GetSandbox'));
}
