import { isAbsolute, normalize, resolve } from 'node:path';
import { isIP } from 'node:net';
import { formatDuration, formatSize, parseDuration, parseSize } from './quantities.ts';

/** What a source holds: text, or a list of texts (TOML arrays; `:` parts them in flags and environment). */
export type RawValue = string | readonly string[];
export type TomlValue = string | number | boolean | readonly string[];

/** Where relative paths start; undefined where they are not taken (the file). */
export interface ParseContext {
  readonly baseDirectory: string | undefined;
}

/** How one kind of value is read and written. `read` throws ConfigValueError. */
export interface ValueKind<T> {
  /** As it stands in the help: `SIZE`. */
  readonly shape: string;
  read(raw: RawValue, context: ParseContext): T;
  write(value: T): TomlValue;
}

export class ConfigValueError extends Error {
  override readonly name = 'ConfigValueError';
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export const pathKind: ValueKind<string> = {
  shape: 'PATH',
  read: (raw, context) => readPath(text(raw), context),
  write: (value) => value,
};

export const pathsKind: ValueKind<readonly string[]> = {
  shape: 'PATH[:PATH…]',
  read: (raw, context) => Object.freeze((typeof raw === 'string' ? raw.split(':').filter((part) => part !== '') : raw).map((part) => readPath(part, context))),
  write: (value) => value,
};

export const textKind: ValueKind<string> = { shape: 'TEXT', read: (raw) => text(raw), write: (value) => value };

export const booleanKind: ValueKind<boolean> = {
  shape: 'true|false',
  read: (raw) => {
    const value = text(raw);
    if (value !== 'true' && value !== 'false') throw bad(raw, 'must be true or false');
    return value === 'true';
  },
  write: (value) => value,
};

export function countKind(least: number, most: number): ValueKind<number> {
  return {
    shape: 'NUMBER',
    read: (raw) => {
      const value = /^\d{1,15}$/.test(text(raw)) ? Number(text(raw)) : Number.NaN;
      if (!(value >= least && value <= most)) throw bad(raw, `must be a whole number from ${least} to ${most}`);
      return value;
    },
    write: (value) => value,
  };
}

export function sizeKind(least: number): ValueKind<number> {
  return {
    shape: 'SIZE',
    read: (raw) => {
      const value = parseSize(text(raw));
      if (value === undefined || value < least) throw bad(raw, `must be a size such as 512MiB, at least ${formatSize(least)}`);
      return value;
    },
    write: formatSize,
  };
}

export function durationKind(leastMs: number, mostMs: number): ValueKind<number> {
  return {
    shape: 'DURATION',
    read: (raw) => {
      const value = parseDuration(text(raw));
      if (value === undefined || value < leastMs || value > mostMs) throw bad(raw, `must be a time such as 10s, from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`);
      return value;
    },
    write: formatDuration,
  };
}

export function choiceKind<const Choice extends string>(...choices: readonly Choice[]): ValueKind<Choice> {
  return {
    shape: choices.join('|'),
    read: (raw) => {
      const found = choices.find((choice) => choice === text(raw));
      if (found === undefined) throw bad(raw, `must be one of ${choices.join(', ')}`);
      return found;
    },
    write: (value) => value,
  };
}

/** One word beside another kind's values, as `auto` beside a size. */
export function orWord<T, const Word extends string>(word: Word, kind: ValueKind<T>): ValueKind<T | Word> {
  return {
    shape: `${word}|${kind.shape}`,
    read: (raw, context) => (raw === word ? word : kind.read(raw, context)),
    write: (value) => (value === word ? word : kind.write(value as T)),
  };
}

export const hostPortKind: ValueKind<HostPort> = {
  shape: 'ADDRESS:PORT',
  read: (raw) => {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text(raw));
    const host = match?.[1] ?? match?.[2] ?? '';
    const port = Number(match?.[3] ?? Number.NaN);
    if (isIP(host) === 0 || !(port <= 65_535)) throw bad(raw, 'must be an IP address and a port such as 127.0.0.1:9464');
    return Object.freeze({ host, port });
  },
  write: ({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
};

export function bad(raw: RawValue, rule: string): ConfigValueError {
  return new ConfigValueError(`${rule}, and ${JSON.stringify(raw)} is not`);
}

function text(raw: RawValue): string {
  if (typeof raw !== 'string') throw new ConfigValueError('must be a single value');
  return raw;
}

function readPath(path: string, context: ParseContext): string {
  if (path === '' || path.includes('\0')) throw bad(path, 'must be a path');
  if (isAbsolute(path)) return normalize(path);
  if (context.baseDirectory === undefined) throw bad(path, 'must be an absolute path');
  return resolve(context.baseDirectory, path);
}
