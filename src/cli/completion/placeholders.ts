/** Names that the daemon knows. */
export type NameKind = 'container' | 'sandbox' | 'image' | 'profile' | 'guest' | 'volume';

/** What may stand where a command has a placeholder: `<sandbox>`, `<table|wide|json>`, `<directory>`. */
export interface Expected {
  /** Words that are fixed. */
  readonly words: readonly string[];
  readonly names: readonly NameKind[];
  /** The shell knows its files best. */
  readonly paths: 'none' | 'files' | 'directories';
}

export const nothingExpected: Expected = { words: [], names: [], paths: 'none' };

const anyFile: Expected = { words: [], names: [], paths: 'files' };

const signals = ['TERM', 'KILL', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'STOP', 'CONT', 'WINCH'].map((name) => `SIG${name}`);

const known: Readonly<Record<string, Expected>> = {
  container: { words: [], names: ['container'], paths: 'none' },
  sandbox: { words: [], names: ['sandbox'], paths: 'none' },
  image: { words: [], names: ['image'], paths: 'none' },
  reference: { words: [], names: ['image'], paths: 'none' },
  profile: { words: [], names: ['profile'], paths: 'none' },
  guest: { words: [], names: ['guest'], paths: 'none' },
  volume: { words: [], names: ['volume'], paths: 'none' },
  directory: { words: [], names: [], paths: 'directories' },
  file: anyFile,
  'package-or-file': anyFile,
  'source[:destination[:mode]]': anyFile,
  command: anyFile,
  signal: { words: signals, names: [], paths: 'none' },
  mode: { words: ['sandbox', 'container'], names: [], paths: 'none' },
  json: { words: ['json'], names: [], paths: 'none' },
  capability: { words: ['ALL'], names: [], paths: 'none' },
};

/** Reads a placeholder as the help shows it. What is between bars is a name that is known, or a word to be typed as it stands. */
export function expectedAt(placeholder: string): Expected {
  const parts = placeholder.split('|');
  const found = parts.map((part) => known[part] ?? { ...nothingExpected, words: parts.length > 1 ? [part] : [] });
  return {
    words: found.flatMap(({ words }) => words),
    names: found.flatMap(({ names }) => names),
    paths: found.find(({ paths }) => paths !== 'none')?.paths ?? 'none',
  };
}
