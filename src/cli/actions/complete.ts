import type { Command } from 'commander';
import { parseAddress } from '../client/address.ts';
import { knownNames } from '../completion/known-names.ts';
import { suggest, type Candidate } from '../completion/suggest.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';

/** Who waits for a prompt does not wait longer for names. */
const patienceMs = 1500;

/**
 * `viv __complete -- WORD…`, what the shells' scripts call: one candidate a line with a tab and a few words about it, and in the last line
 * `:words`, `:files` or `:directories`, what the shell is to add of its own.
 */
export const completeWith = (program: Command): Action<object> => async (context, operands) => {
  const { candidates, expected, typed, prefix, host } = suggest(program, operands[0] === '--' ? operands.slice(1) : operands);
  const asked = expected.names.length === 0 ? [] : await withDaemon(context, host, async (connect) =>
    (await Promise.all(expected.names.map((kind) => knownNames(connect, kind, typed)))).flat());
  const named = asked.map((found) => ({ ...found, word: `${prefix}${found.word}` }));
  const lines = [...candidates, ...named].map(({ word, about }) => `${word}\t${about.replace(/\p{Cc}/gu, ' ')}\n`);
  context.host.stdout.write(`${lines.join('')}:${expected.paths === 'none' ? 'words' : expected.paths}\n`);
  return ExitCode.ok;
};

async function withDaemon(context: CommandContext, host: string | undefined, ask: (connect: CommandContext['connect']) => Promise<Candidate[]>): Promise<Candidate[]> {
  const { openConnection } = await import('../client/clients.ts');
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(patienceMs)]);
  try {
    using connection = openConnection(host === undefined ? context.address : parseAddress(host), signal);
    return await ask((...names) => connection.clients(...names));
  } catch (error) {
    if (context.signal.aborted) throw error;
    // A daemon that is away knows no names; in the middle of a prompt there is no place to say so.
    return [];
  }
}
