import type { Command, Option } from 'commander';
import { expectedAt, nothingExpected, type Expected } from './placeholders.ts';

export interface Candidate {
  readonly word: string;
  /** A few words about it; shells that can show them do. */
  readonly about: string;
}

export interface Suggestion {
  /** What fits of commands, flags and fixed words. */
  readonly candidates: readonly Candidate[];
  /** What else may stand there. */
  readonly expected: Expected;
  /** What is typed of it: without the flag when the word is `--flag=value`. */
  readonly typed: string;
  /** That flag, with its `=`. */
  readonly prefix: string;
  /** The daemon that the line is for, when it says which. */
  readonly host: string | undefined;
}

/** How far a command line has been read. */
interface Reading {
  readonly command: Command;
  /** Operands of the command so far. */
  readonly operands: number;
  /** The flag whose value comes next. */
  readonly valueOf: Option | undefined;
  /** Flags are over: after `--`, or in the command line of a container. */
  readonly literal: boolean;
  readonly host: string | undefined;
}

/**
 * What may follow, read from the table of commands.
 * @param words what is typed after the name of the program; the last one is what is to be completed, and may be empty
 */
export function suggest(program: Command, words: readonly string[]): Suggestion {
  // What help is asked for is a command as it would be run.
  if (words.length > 1 && words[0] === 'help') return suggest(program, words.slice(1));
  const current = words.at(-1) ?? '';
  const reading = words.slice(0, -1).reduce(read, { command: program, operands: 0, valueOf: undefined, literal: false, host: undefined });
  const { command, host } = reading;
  const plain = (expected: Expected, candidates: readonly Candidate[] = []): Suggestion =>
    ({ candidates: [...fitting(candidates, current), ...fixed(expected, current)], expected, typed: current, prefix: '', host });
  if (reading.valueOf !== undefined) return plain(valueExpected(reading.valueOf));
  const inline = reading.literal ? null : /^(--[^=]+=)(.*)$/.exec(current);
  if (inline !== null) {
    const [, prefix = '', typed = ''] = inline;
    const expected = valueExpected(optionOf(command, prefix.slice(0, -1)));
    return { candidates: fixed(expected, typed).map((found) => ({ ...found, word: `${prefix}${found.word}` })), expected, typed, prefix, host };
  }
  if (!reading.literal && current.startsWith('-')) return plain(nothingExpected, flagsOf(command));
  // `doctor` runs by itself and has a command below it: it takes no operand, so what follows can only be that.
  if (command.commands.length > 0 && reading.operands === 0) return plain(nothingExpected, commandsOf(command));
  return plain(operandExpected(command, reading.operands));
}

function read(reading: Reading, word: string): Reading {
  const { command } = reading;
  if (reading.valueOf !== undefined) {
    return { ...reading, valueOf: undefined, host: reading.valueOf.long === '--host' ? word : reading.host };
  }
  if (reading.literal) return { ...reading, operands: reading.operands + 1 };
  if (word === '--') return { ...reading, literal: true };
  if (word.startsWith('-')) return { ...reading, ...readFlag(command, word, reading.host) };
  const child = reading.operands === 0 ? findCommand(command, word) : undefined;
  if (child !== undefined) return { ...reading, command: child };
  return { ...reading, operands: reading.operands + 1, literal: takesCommandLine(command) };
}

function readFlag(command: Command, word: string, host: string | undefined): Pick<Reading, 'valueOf' | 'host'> {
  const [name = '', value] = word.startsWith('--') ? splitOnce(word) : [word];
  const option = optionOf(command, name);
  if (option?.required !== true) return { valueOf: undefined, host };
  if (value === undefined) return { valueOf: option, host };
  return { valueOf: undefined, host: option.long === '--host' ? value : host };
}

const splitOnce = (word: string): string[] => {
  const at = word.indexOf('=');
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
};

/** What comes after the image or the container belongs to the command, flags too. */
const takesCommandLine = (command: Command): boolean => command.registeredArguments.some((argument) => argument.name() === 'command');

const findCommand = (command: Command, word: string): Command | undefined =>
  command.commands.find((child) => child.name() === word || child.aliases().includes(word));

const optionOf = (command: Command, flag: string): Option | undefined => command.options.find((option) => option.long === flag || option.short === flag);

const valueExpected = (option: Option | undefined): Expected =>
  option?.required === true ? expectedAt(/<([^>]+)>/.exec(option.flags)?.[1] ?? '') : nothingExpected;

function operandExpected(command: Command, index: number): Expected {
  const argument = command.registeredArguments.at(index) ?? command.registeredArguments.at(-1);
  if (argument === undefined || (index >= command.registeredArguments.length && !argument.variadic)) return nothingExpected;
  return expectedAt(argument.name());
}

const commandsOf = (command: Command): Candidate[] => {
  const help = command.parent === null ? [{ word: 'help', about: 'show the help of a command' }] : [];
  return [...command.createHelp().visibleCommands(command).filter((child) => child.name() !== 'help').map((child) => ({ word: child.name(), about: child.description() })), ...help];
};

const flagsOf = (command: Command): Candidate[] =>
  command.createHelp().visibleOptions(command).flatMap((option) => [option.long, option.short].flatMap((flag) => (flag == null ? [] : [{ word: flag, about: option.description }])));

const fixed = (expected: Expected, typed: string): Candidate[] => fitting(expected.words.map((word) => ({ word, about: '' })), typed);

export const fitting = (candidates: readonly Candidate[], typed: string): Candidate[] => candidates.filter(({ word }) => word.startsWith(typed));
