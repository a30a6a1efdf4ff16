import type { Command } from 'commander';
import type { Bind } from '../program.ts';

/** `viv completion SHELL`, and what its scripts call; for that, `program` must have all commands by the time it runs. */
export function registerCompletionCommands(program: Command, bind: Bind): void {
  const completion = program.command('completion <bash|zsh|fish>').description('print the completion script of a shell, to be loaded by it');
  bind(completion, async () => (await import('../actions/completion.ts')).completion);

  const complete = program.command('__complete [word...]', { hidden: true }).description('what could follow').passThroughOptions();
  bind(complete, async () => (await import('../actions/complete.ts')).completeWith(program));
}
