// Bundles what runs: the command line (in pieces that load when they are needed), the daemon and the guest builder. An entry point that does not exist is left out.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// Dependencies that are CommonJS inside call require, __filename and __dirname, which an ES module does not have.
const banner = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __fileURLToPath(import.meta.url);',
  "const __dirname = __fileURLToPath(new URL('.', import.meta.url));",
].join('\n');

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// Empty where there is no git or no repository: an unpacked archive can be built too.
function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  // Node's own condition comes last: packages that have an ES module are shaken, the others are wrapped.
  mainFields: ['module', 'main'],
  banner: { js: banner },
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  define: { __VIVARIUM_VERSION__: JSON.stringify(version), __VIVARIUM_COMMIT__: JSON.stringify(commit()) },
  logLevel: 'warning',
};

// The daemon is a function of what a module is given, which src/daemon/entry.ts calls: V8 keeps compiled code only of scripts.
const daemon = {
  entryPoints: ['src/daemon/main.ts'],
  outfile: 'dist/vivd.cjs',
  format: 'cjs',
  charset: 'ascii',
  banner: { js: '(function (require, moduleUrl) {' },
  footer: { js: '})' },
  define: { ...common.define, 'import.meta.url': 'moduleUrl' },
};

const targets = [
  { entry: 'src/cli/main.ts', clean: 'dist/cli', options: { entryPoints: { main: 'src/cli/main.ts' }, outdir: 'dist/cli', splitting: true, chunkNames: '[name]-[hash]', external: ['@grpc/proto-loader'] } },
  { entry: 'src/daemon/main.ts', options: daemon, after: keepCompiled },
  { entry: 'src/daemon/entry.ts', options: { entryPoints: ['src/daemon/entry.ts'], outfile: 'dist/vivd.js', banner: {} } },
  { entry: 'guest/builder/main.ts', options: { entryPoints: ['guest/builder/main.ts'], outfile: 'dist/guest-build.js' } },
];

// Pieces of earlier builds go after the new ones stand, so that a command which runs meanwhile finds what it loads.
function removeOthers(directory, kept) {
  for (const name of readdirSync(directory)) {
    if (!kept.has(name)) rmSync(join(directory, name), { recursive: true });
  }
}

// What compiling the daemon makes, for the next start: the flags are those of its first line.
function keepCompiled() {
  const bundle = join(root, daemon.outfile);
  appendFileSync(bundle, `\n//${createHash('sha256').update(readFileSync(bundle)).digest('hex')}`);
  const [, flags] = /^#!\/usr\/bin\/env -S node (.*)$/m.exec(readFileSync(join(root, 'bin/vivd'), 'utf8'));
  execFileSync(process.execPath, [...flags.split(' '), join(root, 'scripts/code-cache.mjs'), bundle, join(root, 'dist/vivd.cache'), '--version'], { stdio: ['ignore', 'ignore', 'inherit'] });
}

const only = process.argv.slice(2);
for (const { entry, clean, options, after } of targets) {
  if (only.length > 0 && !only.includes(entry)) continue;
  if (!existsSync(join(root, entry))) {
    console.log(`bundle: ${entry} is not there, left out`);
    continue;
  }
  const { metafile } = await build({ ...common, ...options, metafile: true });
  if (clean !== undefined) removeOthers(join(root, clean), new Set(Object.keys(metafile.outputs).map((output) => basename(output))));
  after?.();
  console.log(`bundle: ${entry} → ${options.outfile ?? options.outdir}`);
}
