import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { createContainer, type CreateFlags } from './create-container.ts';

/** `viv create`: as run, without starting; prints the container's id. */
export const create: Action<CreateFlags> = async (context, operands, flags) => {
  const { container } = await createContainer(context, await context.connect('sandboxes', 'containers'), operands, flags);
  context.host.stdout.write(`${container.id}\n`);
  return ExitCode.ok;
};
