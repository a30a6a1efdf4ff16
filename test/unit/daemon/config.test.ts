import { describe, expect, it } from 'vitest';
import { CONFIG_KEYS, environmentName, flagName } from '../../../src/daemon/config-keys.ts';
import { printConfig } from '../../../src/daemon/config-print.ts';
import { ConfigError, loadConfig } from '../../../src/daemon/config.ts';
import type { ConfigSources, LoadedConfig } from '../../../src/daemon/config.ts';
import { helpText, parseDaemonArgs } from '../../../src/daemon/daemon-args.ts';
import { installPaths } from '../../../src/daemon/install-paths.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/daemon/quantities.ts';

const install = installPaths('file:///opt/viv/dist/vivd.mjs', (path) => path === '/opt/viv/package.json');

function load(change: Partial<Omit<ConfigSources, 'flags'>> & { flags?: Record<string, string>; file?: string } = {}): LoadedConfig {
  const { flags = {}, file, ...rest } = change;
  return loadConfig({ env: {}, readFile: () => file, install, cwd: '/home/me', ...rest, flags: new Map(Object.entries(flags)) });
}

function problems(change: Parameters<typeof load>[0]): readonly string[] {
  try {
    load(change);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

describe('configuration', () => {
  it('has the documented defaults', () => {
    const { config, sources } = load();
    expect(config).toMatchObject({ root: '/var/lib/vivarium', run: '/run/vivarium', listen: 'unix:/run/vivarium/vivd.sock', metrics: { host: '127.0.0.1', port: 9464 }, guestDir: '/usr/share/vivarium/guest', admissionMemory: 'auto' });
    expect(new Set(Object.values(sources))).toEqual(new Set(['default']));
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('takes a flag over the environment over the file', () => {
    const file = 'root = "/file"\nlog_level = "warn"\nevents_kept = 500\n[admission]\nmax_sandboxes = 7\n';
    const { config, sources } = load({ file, env: { VIVARIUM_ROOT: '/env', VIVARIUM_LOG_LEVEL: 'debug' }, flags: { root: '/flag' } });
    expect([config.root, config.logLevel, config.eventsKept, config.admissionMaxSandboxes]).toEqual(['/flag', 'debug', 500, 7]);
    expect([sources.root, sources.logLevel, sources.admissionMaxSandboxes]).toEqual(['flag --root', 'environment VIVARIUM_LOG_LEVEL', 'file /etc/vivarium/vivd.toml']);
  });

  it('derives the socket from the run directory, and resolves relative paths of flags', () => {
    expect(load({ flags: { run: 'r' } }).config).toMatchObject({ run: '/home/me/r', listen: 'unix:/home/me/r/vivd.sock' });
  });

  it('lists all that is wrong, with its source', () => {
    const found = problems({ file: 'root = "relative"\nnope = 1\nlog_files = 0\n[admission]\nqueue_timeout = "soon"\n', flags: { listen: 'tcp:0.0.0.0:1', metrics: 'here' }, env: { VIVARIUM_RUN: `/${'x'.repeat(80)}` } });
    expect(found.map((problem) => problem.split(':', 1)[0]).sort()).toEqual([
      'admission.queue_timeout (file /etc/vivarium/vivd.toml)', 'listen (flag --listen)', 'log_files (file /etc/vivarium/vivd.toml)', 'metrics (flag --metrics)', 'nope (file /etc/vivarium/vivd.toml)',
      'root (file /etc/vivarium/vivd.toml)', 'run (environment VIVARIUM_RUN)',
    ]);
  });

  it('needs a file that was named, and tells where TOML is broken', () => {
    expect(problems({ flags: { config: '/no.toml' } })).toEqual(['config: there is no file /no.toml']);
    expect(problems({ file: 'root = \n' })[0]).toMatch(/^\/etc\/vivarium\/vivd\.toml:1:\d+: /);
  });

  it('prints what reads as the same', () => {
    const first = load({ flags: { metrics: 'none', 'admission-memory': '2GiB', 'image-dirs': '/a:/b', 'health-interval': '1m30s' } });
    const text = printConfig(first);
    expect(text).toContain('metrics = "none"  # flag --metrics');
    expect(text).toContain('root = "/var/lib/vivarium"  # default');
    expect(load({ file: text }).config).toEqual(first.config);
  });

  it('names each key once as flag and variable, and tells of it in the help', () => {
    const paths = Object.values(CONFIG_KEYS).map(({ path }) => path);
    expect(new Set(paths.map(flagName)).size).toBe(paths.length);
    for (const path of paths) expect(helpText()).toContain(`[${environmentName(path)}]`);
  });
});

describe('arguments', () => {
  it.each([[[], 'run'], [['config', 'print'], 'config-print'], [['--help'], 'help'], [['-h'], 'help'], [['--version'], 'version']])('%j is %s', (argv, command) => {
    expect(parseDaemonArgs(argv)).toMatchObject({ command, problems: [] });
  });

  it('keeps flags, and refuses unknown ones and unknown commands', () => {
    expect([...parseDaemonArgs(['--root', '/x', '--admission-queue-length=3']).flags]).toEqual([['root', '/x'], ['admission-queue-length', '3']]);
    expect(parseDaemonArgs(['--rot', '/x']).problems).toHaveLength(1);
    expect(parseDaemonArgs(['begin']).problems).toHaveLength(1);
  });
});

describe('quantities', () => {
  it.each([['512MiB', 512 * 1024 ** 2], ['1.5G', 1.5 * 1024 ** 3], ['4096', 4096], ['0', 0], ['2 TiB', 2 * 1024 ** 4]])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'MiB', '-1', '1MB', '1e3', '99999999TiB', '1 2'])('%j is no size', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it.each([['10s', 10_000], ['250ms', 250], ['1m30s', 90_000], ['1.5h', 5_400_000]])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '10', 's', '1d', '-1s', '1s2'])('%j is no time', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it.each([0, 1, 1024, 1536, 512 * 1024 ** 2, 999])('%d comes back the same', (value) => {
    expect(parseSize(formatSize(value))).toBe(value);
    expect(parseDuration(formatDuration(value))).toBe(value);
  });
});

describe('where the parts lie', () => {
  it('in a checkout: its own build', () => {
    const there = new Set(['/src/viv/package.json', '/src/viv/Cargo.toml', '/src/viv/target/release/viv-launcher']);
    expect(installPaths('file:///src/viv/src/daemon/main.ts', (path) => there.has(path))).toEqual({
      root: '/src/viv', guestDir: '/src/viv/build/guest', imageDirs: ['/src/viv/build/images'], launcher: '/src/viv/target/release/viv-launcher', imageTool: '/src/viv/target/x86_64-unknown-linux-gnu/release/viv-image', guestBuilder: '/src/viv/dist/guest-build.js', descriptorSet: '/src/viv/dist/vivarium.binpb',
    });
  });

  it('installed: the system\'s places', () => {
    expect(install).toMatchObject({ root: '/opt/viv', guestDir: '/usr/share/vivarium/guest', launcher: '/usr/libexec/vivarium/viv-launcher' });
  });
});

describe('registries', () => {
  it('are a list of URLs, whose form says whether they are spoken to with TLS', () => {
    const mirrors = [{ url: 'https://mirror.example', insecure: false }, { url: 'http://10.0.0.1:5000/x', insecure: true }];
    expect(load({ env: { VIVARIUM_REGISTRY_MIRRORS: ' https://mirror.example/  http://10.0.0.1:5000/x ' } }).config.registryMirrors).toEqual(mirrors);
    expect(load({ file: 'registry_mirrors = ["https://mirror.example", "http://10.0.0.1:5000/x"]\n[images]\nmax_layer = "1GiB"\n' }).config).toMatchObject({ registryMirrors: mirrors, registryAuthFile: 'none', imagesMaxLayer: 1024 ** 3 });
  });

  it.each(['mirror.example', 'ftp://x', 'https://u:p@x', 'https://x?a'])('%s is none', (url) => {
    expect(problems({ flags: { 'registry-mirrors': url } })).toHaveLength(1);
  });
});
