import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { nodeHost } from './node-host.ts';
import { runCli } from './run-cli.ts';

// Both as source (src/cli) and bundled (dist/cli) this file lies two directories below the root.
const root = join(import.meta.dirname, '..', '..');

const exitCode = await runCli(process.argv.slice(2), {
  host: nodeHost(process),
  cwd: process.cwd(),
  version: packageJson.version,
  daemonProgram: join(root, 'bin', 'vivd'),
});
// Written bytes may still be on their way into a pipe; an unread standard input would keep the process alive.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
