import { parseArgs } from 'node:util';
import { CONFIG_KEYS, environmentName, flagName } from './config-keys.ts';

export type DaemonCommand = 'run' | 'config-print' | 'help' | 'version';

export interface DaemonArgs {
  readonly command: DaemonCommand;
  /** Flag name without dashes → text. */
  readonly flags: ReadonlyMap<string, string>;
  /** What is wrong with the arguments; then the rest is not to be used. */
  readonly problems: readonly string[];
}

const COMMANDS: ReadonlyMap<string, DaemonCommand> = new Map([['', 'run'], ['config print', 'config-print'], ['help', 'help'], ['version', 'version']]);

/** Arguments after `vivd`. */
export function parseDaemonArgs(argv: readonly string[]): DaemonArgs {
  const settings = Object.values(CONFIG_KEYS).map(({ path }) => [flagName(path), { type: 'string' }] as const);
  const options = { ...Object.fromEntries([...settings, ['config', { type: 'string' }] as const]), help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    if (values.help === true) return { command: 'help', flags: new Map(), problems: [] };
    if (values.version === true) return { command: 'version', flags: new Map(), problems: [] };
    const command = COMMANDS.get(positionals.join(' '));
    const flags = new Map(Object.entries(values).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : [])));
    return { command: command ?? 'help', flags, problems: command === undefined ? [`no command ${JSON.stringify(positionals.join(' '))}; there are: config print, help, version`] : [] };
  } catch (error) {
    return { command: 'help', flags: new Map(), problems: [error instanceof Error ? error.message : String(error)] };
  }
}

export function helpText(): string {
  const lines = Object.values(CONFIG_KEYS).map(({ path, kind, help }) => `  --${flagName(path)} ${kind.shape}\n        ${help}  [${environmentName(path)}]`);
  return `usage: vivd [OPTION…]             run the daemon in the foreground
       vivd config print [OPTION…]  print the settings, each with where it comes from
       vivd --version | --help

Each option can be given as a flag, in the environment (in brackets), or in the file; a flag wins over the environment, and that over the file.

  --config PATH
        the file, TOML; default /etc/vivarium/vivd.toml when it is there  [VIVARIUM_CONFIG]
${lines.join('\n')}

exit codes: 0 stopped as asked, 1 failed, 2 wrong usage or configuration, 3 another daemon holds the directory
`;
}
