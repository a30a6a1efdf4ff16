import type { Violations } from './violations.ts';

/** Where an argument list can come from: a caller's spec over an image's configuration. */
export interface CommandSources {
  readonly entrypoint: readonly string[];
  readonly args: readonly string[];
  readonly imageEntrypoint: readonly string[];
  readonly imageCommand: readonly string[];
}

/** The argument list of a container's first process. An entrypoint of the caller's drops the image's command too, as it was meant for the image's own. */
export function commandLine(sources: CommandSources, violations: Violations): readonly string[] {
  const ownEntrypoint = sources.entrypoint.length > 0;
  const entrypoint = ownEntrypoint ? sources.entrypoint : sources.imageEntrypoint;
  const rest = sources.args.length > 0 || ownEntrypoint ? sources.args : sources.imageCommand;
  const line = [...entrypoint, ...rest];
  if (line.length === 0 || line[0] === '') violations.add('spec.args', 'there is nothing to run: neither the request nor the image names a command');
  if (line.some((argument) => argument.includes('\0'))) violations.add('spec.args', 'an argument can not hold a NUL byte');
  return line;
}

/** An absolute working directory. */
export function workingDirectory(wanted: string, field: string, violations: Violations): string {
  if (wanted === '') return '/';
  if (!wanted.startsWith('/') || wanted.includes('\0')) violations.add(field, `"${wanted}" is not an absolute path`);
  return wanted;
}
