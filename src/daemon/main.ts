import { existsSync, readFileSync } from 'node:fs';
import { createLogger } from '../host/pino-logger.ts';
import { takeServiceManager } from '../host/service-manager.ts';
import { PromMetrics } from '../host/prom-metrics.ts';
import { ConfigError, loadConfig, type LoadedConfig } from './config.ts';
import { printConfig } from './config-print.ts';
import { helpText, parseDaemonArgs } from './daemon-args.ts';
import { installPaths } from './install-paths.ts';
import { exitCodeOf, startDaemon } from './lifecycle.ts';
import { BUILD } from './version.ts';

const USAGE = 2;

/** `vivd`: signals and exit codes, nothing else. */
async function main(argv: readonly string[]): Promise<number> {
  const args = parseDaemonArgs(argv);
  if (args.problems.length > 0) {
    process.stderr.write(`${args.problems.map((problem) => `vivd: ${problem}`).join('\n')}\nsee "vivd --help"\n`);
    return USAGE;
  }
  if (args.command === 'help') return print(helpText());
  if (args.command === 'version') return print(`vivd ${BUILD.version}${BUILD.gitCommit === '' ? '' : ` (${BUILD.gitCommit})`}\n`);
  const install = installPaths(import.meta.url, existsSync);
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig({ flags: args.flags, env: process.env, readFile: readIfThere, install, cwd: process.cwd() });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`vivd: ${error.message}\n`);
    return USAGE;
  }
  if (args.command === 'config-print') return print(printConfig(loaded));
  return await run(loaded, install);
}

async function run({ config }: LoadedConfig, install: ReturnType<typeof installPaths>): Promise<number> {
  process.umask(0o077);
  const serviceManager = takeServiceManager(process.env, process.pid);
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => { resolve(signal); });
  });
  try {
    const daemon = await startDaemon({ config, install, serviceManager, logger, metrics: new PromMetrics() });
    logger.info({ signal: await stopped }, 'stopping; VMs go on');
    await daemon.stop();
    return 0;
  } catch (error) {
    logger.error({ error }, error instanceof Error ? error.message : String(error));
    return exitCodeOf(error);
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

// A timer or socket that is still open must not keep a stopped daemon alive. A rejection ends it with its stack and code 1.
void main(process.argv.slice(2)).then((code) => { process.exit(code); });
