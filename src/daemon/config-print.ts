import { stringify } from 'smol-toml';
import { CONFIG_KEYS } from './config-keys.ts';
import type { ConfigKey, ConfigName } from './config-keys.ts';
import type { LoadedConfig } from './config.ts';

/** The settings as a file that would give the same ones, each line with its source as a comment. */
export function printConfig({ config, sources }: LoadedConfig): string {
  const top: string[] = [];
  const tables = new Map<string, string[]>();
  for (const [name, key] of Object.entries(CONFIG_KEYS) as [ConfigName, ConfigKey<unknown>][]) {
    const parts = key.path.split('.');
    const last = parts.at(-1) ?? '';
    const line = `${stringify({ [last]: key.kind.write(config[name]) }).trim()}  # ${sources[name]}`;
    const table = parts.slice(0, -1).join('.');
    if (table === '') top.push(line);
    else tables.set(table, [...(tables.get(table) ?? []), line]);
  }
  const sections = [...tables].map(([table, lines]) => `\n[${table}]\n${lines.join('\n')}\n`);
  return `${top.join('\n')}\n${sections.join('')}`;
}
