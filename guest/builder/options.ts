import { parseArgs } from 'node:util';
import { BuildError } from './build-error.ts';
import { parseModuleRequest } from './module-order.ts';
import type { ModuleRequest } from './module-order.ts';
import type { ProgressMode } from './progress.ts';

export interface FileRequest {
  readonly source: string;
  readonly target: string;
  /** Permission bits; undefined: those of the source. */
  readonly mode: number | undefined;
}

export interface InitRequest {
  readonly path: string;
  /** True: a small loader loads the modules first and then becomes the program. */
  readonly loader: boolean;
}

export interface BuildOptions {
  readonly name: string;
  readonly out: string;
  readonly kernel: string;
  readonly modulesDirectory: string | undefined;
  readonly modules: readonly ModuleRequest[];
  readonly packages: readonly string[];
  readonly files: readonly FileRequest[];
  readonly kernelParameters: readonly string[];
  readonly agent: string;
  readonly init: InitRequest | undefined;
}

export type Command =
  | { readonly kind: 'build'; readonly progress: ProgressMode; readonly options: BuildOptions }
  | { readonly kind: 'ls'; readonly out: string }
  | { readonly kind: 'busybox'; readonly progress: ProgressMode; readonly out: string; readonly images: string }
  | { readonly kind: 'help' };

export const DEFAULT_KERNEL = 'linux-image-cloud-amd64';
export const DEFAULT_AGENT = 'target/x86_64-unknown-linux-gnu/release/viv-agent';

export const USAGE = `usage: guest-build build [NAME]   build a guest (default: "default")
       guest-build ls              list the guests there are, as JSON
       guest-build busybox         build the embedded busybox image

  --out DIR                 where guests are ($VIVARIUM_GUEST_DIR, else ./build/guest)
  --images DIR              where images are (busybox; default: DIR/../images)
  --kernel PACKAGE|FILE     Debian package, or a path with a slash: bzImage or ELF (${DEFAULT_KERNEL})
  --modules-dir DIR         modules of a kernel given as a file (a lib/modules/RELEASE directory)
  --module NAME             one more kernel module, with what it needs; 'NAME key=value' gives parameters (repeatable)
  --package DEBPKG          unpack a Debian package into the guest; its Depends are NOT followed: name each (repeatable)
  --file SRC:DST[:MODE]     put a file or a directory in; MODE in octal (repeatable)
  --kernel-param WORD       note a kernel parameter that this guest needs (repeatable)
  --agent PATH              the agent's static binary (${DEFAULT_AGENT})
  --init FILE               run FILE instead of the agent, after a loader has loaded the modules
  --no-loader               with --init: FILE itself is /init
  --progress MODE           auto, plain, json (one object a line) or none
`;

const NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
const PACKAGE = /^[a-z0-9][a-z0-9+.-]{1,127}$/;

export function parseCommand(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Command {
  const { values, positionals } = parse(argv);
  const [command, name, ...rest] = positionals;
  if (values.help === true || command === undefined || command === 'help') return { kind: 'help' };
  if (rest.length > 0 || (name !== undefined && command !== 'build')) throw usage(`too many arguments for ${command}`);
  const out = values.out ?? env['VIVARIUM_GUEST_DIR'] ?? './build/guest';
  const progress = progressMode(values.progress ?? 'auto');
  switch (command) {
    case 'build':
      return { kind: 'build', progress, options: buildOptions(guestName(name ?? 'default'), out, values) };
    case 'ls':
      return { kind: 'ls', out };
    case 'busybox':
      return { kind: 'busybox', progress, out, images: values.images ?? `${out}/../images` };
    default:
      throw usage(`no command ${command}`);
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        out: { type: 'string' }, images: { type: 'string' }, kernel: { type: 'string' }, 'modules-dir': { type: 'string' },
        module: { type: 'string', multiple: true }, package: { type: 'string', multiple: true },
        file: { type: 'string', multiple: true }, 'kernel-param': { type: 'string', multiple: true },
        agent: { type: 'string' }, init: { type: 'string' }, 'no-loader': { type: 'boolean' },
        progress: { type: 'string' }, help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

function buildOptions(name: string, out: string, values: ReturnType<typeof parse>['values']): BuildOptions {
  if (values['no-loader'] === true && values.init === undefined) throw usage('--no-loader goes with --init');
  return {
    name,
    out,
    kernel: kernelRequest(values.kernel ?? DEFAULT_KERNEL),
    modulesDirectory: values['modules-dir'],
    modules: (values.module ?? []).map(parseModuleRequest),
    packages: (values.package ?? []).map(packageName),
    files: (values.file ?? []).map(fileRequest),
    kernelParameters: (values['kernel-param'] ?? []).map(kernelParameter),
    agent: values.agent ?? DEFAULT_AGENT,
    init: values.init === undefined ? undefined : { path: values.init, loader: values['no-loader'] !== true },
  };
}

/** Names become directory names and parts of paths; a leading dot is kept for the builder's own. */
export function guestName(name: string): string {
  if (!NAME.test(name)) throw usage(`not a guest name: ${JSON.stringify(name)} (a-z 0-9 _ . -, at most 63, first one a letter or a digit)`);
  return name;
}

function kernelRequest(kernel: string): string {
  return kernel.includes('/') ? kernel : packageName(kernel);
}

function packageName(name: string): string {
  // A name reaches apt's command line: nothing that could be an option, a version or a path.
  if (!PACKAGE.test(name)) throw usage(`not a Debian package name: ${JSON.stringify(name)}`);
  return name;
}

function fileRequest(text: string): FileRequest {
  const match = /^([^:]+):([^:]+)(?::([0-7]{3,4}))?$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw usage(`--file wants SRC:DST[:MODE], not ${JSON.stringify(text)}`);
  return { source: match[1], target: match[2], mode: match[3] === undefined ? undefined : Number.parseInt(match[3], 8) };
}

function kernelParameter(word: string): string {
  if (!/^[\x21-\x7e]+$/.test(word)) throw usage(`not one kernel parameter: ${JSON.stringify(word)}`);
  return word;
}

function progressMode(mode: string): ProgressMode {
  if (mode === 'auto' || mode === 'plain' || mode === 'json' || mode === 'none') return mode;
  throw usage(`--progress is auto, plain, json or none, not ${mode}`);
}

function usage(message: string): BuildError {
  return new BuildError('usage', message, { remedy: 'see guest-build help' });
}
