import { UsageError } from '../cli-error.ts';
import { completionScripts } from '../completion/scripts.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';

/** `viv completion SHELL`: prints what the shell has to load. */
export const completion: Action<object> = (context, operands) => {
  const script = completionScripts[operands[0] ?? ''];
  if (script === undefined) throw new UsageError(`there is no completion for "${operands[0] ?? ''}"`, `known are ${Object.keys(completionScripts).join(', ')}`);
  context.host.stdout.write(script);
  return Promise.resolve(ExitCode.ok);
};
