import { parse, TomlError } from 'smol-toml';
import { CONFIG_KEYS, environmentName, flagName } from './config-keys.ts';
import type { ConfigKey, ConfigName, DaemonConfig, DefaultContext } from './config-keys.ts';
import { ConfigValueError } from './config-values.ts';
import type { RawValue } from './config-values.ts';
import type { InstallPaths } from './install-paths.ts';

export type { DaemonConfig } from './config-keys.ts';

const DEFAULT_FILE = '/etc/vivarium/vivd.toml';

export interface ConfigSources {
  /** Flag name without dashes → text (daemon-args.ts). */
  readonly flags: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; undefined when there is none. Other failures throw. */
  readonly readFile: (path: string) => string | undefined;
  readonly install: InstallPaths;
  /** Where relative paths of flags and environment start. */
  readonly cwd: string;
}

export interface LoadedConfig {
  readonly config: DaemonConfig;
  /** For each key: `default`, `flag --root`, `environment VIVARIUM_ROOT` or `file PATH`. */
  readonly sources: Readonly<Record<ConfigName, string>>;
}

/** Everything that is wrong with the configuration, each with its source. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

interface Found {
  readonly raw: RawValue;
  readonly source: string;
  readonly fromFile: boolean;
}

/** Flags over environment over file over defaults; checked whole. Throws ConfigError with all problems at once. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: string[] = [];
  const file = readConfigFile(sources, problems);
  const values: Partial<Record<ConfigName, unknown>> = {};
  const origins: Partial<Record<ConfigName, string>> = {};
  let context: DefaultContext = { install: sources.install, run: '' };
  for (const [name, key] of Object.entries(CONFIG_KEYS) as [ConfigName, ConfigKey<unknown>][]) {
    const found = find(key, sources, file);
    origins[name] = found?.source ?? 'default';
    values[name] = readValue(key, found, context, sources, problems);
    if (name === 'run' && typeof values[name] === 'string') context = { ...context, run: values[name] };
  }
  problems.push(...unknownKeys(file));
  if (problems.length > 0) throw new ConfigError(problems);
  // Every key of the table was read by its own kind, which is what the type says.
  return Object.freeze({ config: Object.freeze(values) as DaemonConfig, sources: Object.freeze(origins) as Record<ConfigName, string> });
}

function find(key: ConfigKey<unknown>, sources: ConfigSources, file: ConfigFile): Found | undefined {
  const flag = sources.flags.get(flagName(key.path));
  if (flag !== undefined) return { raw: flag, source: `flag --${flagName(key.path)}`, fromFile: false };
  const variable = environmentName(key.path);
  const fromEnv = sources.env[variable];
  if (fromEnv !== undefined && fromEnv !== '') return { raw: fromEnv, source: `environment ${variable}`, fromFile: false };
  const fromFile = file.values.get(key.path);
  return fromFile === undefined ? undefined : { raw: fromFile, source: `file ${file.path}`, fromFile: true };
}

function readValue(key: ConfigKey<unknown>, found: Found | undefined, context: DefaultContext, sources: ConfigSources, problems: string[]): unknown {
  if (found === undefined) return key.fallback(context);
  try {
    return key.kind.read(found.raw, { baseDirectory: found.fromFile ? undefined : sources.cwd });
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    problems.push(`${key.path} (${found.source}): ${error.message}`);
    return undefined;
  }
}

interface ConfigFile {
  readonly path: string;
  /** Key path → value. */
  readonly values: ReadonlyMap<string, RawValue>;
}

function readConfigFile(sources: ConfigSources, problems: string[]): ConfigFile {
  const named = sources.flags.get('config') ?? sources.env['VIVARIUM_CONFIG'];
  const path = named ?? DEFAULT_FILE;
  const text = sources.readFile(path);
  if (text === undefined) {
    if (named !== undefined) problems.push(`config: there is no file ${path}`);
    return { path, values: new Map() };
  }
  try {
    const values = new Map<string, RawValue>();
    flatten(parse(text), '', path, values, problems);
    return { path, values };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    problems.push(`${path}:${error.line}:${error.column}: ${error.message.split('\n', 1)[0] ?? ''}`);
    return { path, values: new Map() };
  }
}

function flatten(table: Readonly<Record<string, unknown>>, prefix: string, path: string, into: Map<string, RawValue>, problems: string[]): void {
  for (const [name, value] of Object.entries(table)) {
    const at = `${prefix}${name}`;
    if (typeof value === 'string') into.set(at, value);
    else if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') into.set(at, String(value));
    else if (Array.isArray(value) && value.every((item) => typeof item === 'string')) into.set(at, value);
    else if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)) flatten(value as Record<string, unknown>, `${at}.`, path, into, problems);
    else problems.push(`${at} (file ${path}): must be text, a number, true or false, or a list of texts`);
  }
}

function unknownKeys(file: ConfigFile): string[] {
  const known = new Set<string>(Object.values(CONFIG_KEYS).map((key) => key.path));
  return [...file.values.keys()].filter((path) => !known.has(path)).map((path) => `${path} (file ${file.path}): there is no such key`);
}
