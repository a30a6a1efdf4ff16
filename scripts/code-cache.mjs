// Runs a bundled program once and writes down what V8 has compiled of it: for src/daemon/entry.ts, which tells what the two files are.
// usage: node FLAGS code-cache.mjs BUNDLE CACHE ARGUMENT…    (FLAGS: those that the program is started with; V8 compares them)
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

const MARK_LENGTH = 64;
const [node, , bundle, cache, ...args] = process.argv;
const source = readFileSync(bundle, 'latin1');
const script = new Script(source, { filename: bundle });
process.on('exit', () => {
  writeFileSync(`${cache}.new`, Buffer.concat([Buffer.from(source.slice(-MARK_LENGTH), 'latin1'), script.createCachedData()]), { mode: 0o644 });
  renameSync(`${cache}.new`, cache);
});
process.argv = [node, bundle, ...args];
script.runInThisContext()(createRequire(bundle), pathToFileURL(bundle).href);
