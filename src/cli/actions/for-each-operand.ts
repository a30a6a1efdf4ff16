import type { CommandContext } from '../context.ts';
import { reportError } from '../error-text.ts';
import { ExitCode } from '../exit-codes.ts';

/**
 * Does the same for each name given, all at once; prints what each one yields in the order given, and goes on after a failure.
 * @returns 0 when all succeeded, 1 when any failed
 */
export async function forEachOperand(context: CommandContext, operands: readonly string[], act: (operand: string) => Promise<string>): Promise<number> {
  const outcomes = operands.map((operand) => act(operand).then(
    (text) => ({ text, failed: false, error: undefined }),
    (error: unknown) => ({ text: '', failed: true, error }),
  ));
  let exitCode: number = ExitCode.ok;
  for (const outcome of outcomes) {
    const { text, failed, error } = await outcome;
    if (!failed) {
      context.host.stdout.write(`${text}\n`);
      continue;
    }
    // Given up by the user: not a failure of this one operand.
    if (context.signal.aborted) throw error;
    exitCode = ExitCode.failed;
    const { lines } = reportError(error, { address: context.address.text, failureCode: ExitCode.failed, debug: false });
    context.host.stderr.write(lines.map((line) => `${line}\n`).join(''));
  }
  return exitCode;
}
