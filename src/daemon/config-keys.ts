import type { InstallPaths } from './install-paths.ts';
import { DomainError } from '../core/model/errors.ts';
import { parseListenAddress } from './api/listen-address.ts';
import { booleanKind, choiceKind, ConfigValueError, countKind, durationKind, hostPortKind, orWord, pathKind, pathsKind, sizeKind, textKind } from './config-values.ts';
import type { ValueKind } from './config-values.ts';
import { mirrorsKind } from './mirrors-kind.ts';

/** What a default may depend on. */
export interface DefaultContext {
  readonly install: InstallPaths;
  readonly run: string;
}

export interface ConfigKey<T> {
  /** As in the file; `admission.memory` is `memory` in the table `[admission]`. */
  readonly path: string;
  readonly help: string;
  readonly kind: ValueKind<T>;
  readonly fallback: (context: DefaultContext) => T;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Sockets of a sandbox lie some 45 bytes below the run directory, and a socket's path has at most 107. */
export const MAX_RUN_BYTES = 60;

const listenKind: ValueKind<string> = {
  shape: 'unix:PATH|tcp:ADDRESS:PORT',
  read: (raw, context) => {
    const value = textKind.read(raw, context);
    try {
      parseListenAddress(value);
    } catch (error) {
      throw error instanceof DomainError ? new ConfigValueError(error.message) : error;
    }
    return value;
  },
  write: (value) => value,
};

const runKind: ValueKind<string> = {
  ...pathKind,
  read: (raw, context) => {
    const value = pathKind.read(raw, context);
    if (Buffer.byteLength(value) > MAX_RUN_BYTES) throw new ConfigValueError(`has ${Buffer.byteLength(value)} bytes, at most ${MAX_RUN_BYTES} leave room for the sockets below it`);
    return value;
  },
};

function key<T>(path: string, kind: ValueKind<T>, help: string, fallback: (context: DefaultContext) => T): ConfigKey<T> {
  return { path, kind, help, fallback };
}

/** Every key there is. The order is that of the help and of `vivd config print`. */
export const CONFIG_KEYS = {
  root: key('root', pathKind, 'where records and writable layers are kept', () => '/var/lib/vivarium'),
  run: key('run', runKind, 'where sockets and process records are kept', () => '/run/vivarium'),
  listen: key('listen', listenKind, 'where the API is served; TCP on a loopback address only', ({ run }) => `unix:${run}/vivd.sock`),
  metrics: key('metrics', orWord('none', hostPortKind), 'where Prometheus text and /healthz are served, or none', () => Object.freeze({ host: '127.0.0.1', port: 9464 })),
  metricsSandboxes: key('metrics_sandboxes', booleanKind, 'serve figures of each sandbox on /metrics/sandboxes', () => false),
  metricsRemote: key('metrics_remote', booleanKind, 'allow a metrics address that others can reach', () => false),
  guestDir: key('guest_dir', pathKind, 'where built guests are', ({ install }) => install.guestDir),
  imageDirs: key('image_dirs', pathsKind, 'where images are, searched in this order', ({ install }) => install.imageDirs),
  bindRoots: key('bind_roots', pathsKind, 'directories of the host that containers may be given, with all below them', () => ['/']),
  profileDir: key('profile_dir', pathKind, 'where profiles (NAME.toml) are', () => '/etc/vivarium/profiles'),
  cgroups: key('cgroups', choiceKind('auto', 'none'), 'control groups for sandboxes: auto where the host lets us, or none', () => 'auto' as const),
  cgroupRoot: key('cgroup_root', pathKind, 'where the cgroup file systems are mounted', () => '/sys/fs/cgroup'),
  launcher: key('launcher', pathKind, 'the viv-launcher program', ({ install }) => install.launcher),
  imageTool: key('image_tool', pathKind, 'the viv-image program, which fetches and unpacks images', ({ install }) => install.imageTool),
  guestBuilder: key('guest_builder', pathKind, 'the guest builder', ({ install }) => install.guestBuilder),
  logLevel: key('log_level', choiceKind('debug', 'info', 'warn', 'error'), 'least level that is logged', () => 'info' as const),
  logFormat: key('log_format', choiceKind('json', 'pretty'), 'form of the log on stderr', () => 'json' as const),
  admissionMemory: key('admission.memory', orWord('auto', sizeKind(0)), 'memory that all sandboxes may have together; auto: what the host can spare', () => 'auto' as const),
  admissionMaxSandboxes: key('admission.max_sandboxes', countKind(1, 100_000), 'most sandboxes at a time', () => 1000),
  admissionBootConcurrency: key('admission.boot_concurrency', orWord('auto', countKind(1, 1024)), 'most VMs that boot at a time; auto: by CPUs', () => 'auto' as const),
  admissionQueueLength: key('admission.queue_length', countKind(0, 100_000), 'most creates that wait for room', () => 256),
  admissionQueueTimeout: key('admission.queue_timeout', durationKind(0, HOUR_MS), 'how long a create waits for room', () => MINUTE_MS),
  logMaxSize: key('log_max_size', sizeKind(65_536), "size at which a container's log is rotated", () => 16 * 1024 * 1024),
  logFiles: key('log_files', countKind(1, 100), 'files kept of a container log', () => 4),
  eventsKept: key('events_kept', countKind(100, 10_000_000), 'events kept for watchers that come back', () => 10_000),
  requestsKept: key('requests_kept', countKind(100, 1_000_000), 'mutating requests remembered by their request_id', () => 10_000),
  requestsAge: key('requests_age', durationKind(MINUTE_MS, 30 * 24 * HOUR_MS), 'how long one is remembered', () => 24 * HOUR_MS),
  healthInterval: key('health_interval', durationKind(100, HOUR_MS), 'time between two checks of a guest', () => 5000),
  recoveryConcurrency: key('recovery_concurrency', countKind(1, 10_000), 'most sandboxes that are found again at a time after a start', () => 16),
  auditInterval: key('audit_interval', durationKind(0, HOUR_MS), 'time between two audits of the host; 0: only when asked', () => MINUTE_MS),
  reapOnStart: key('reap_on_start', booleanKind, 'remove what no record claims once everything found at start is settled', () => true),
  registryMirrors: key('registry_mirrors', mirrorsKind, 'registries that are asked before the one that an image names', () => []),
  registryAuthFile: key('registry_auth_file', orWord('none', pathKind), "credentials for registries, as docker's config.json has them", () => 'none' as const),
  imagesMaxLayer: key('images.max_layer', sizeKind(1024 * 1024), 'most that a layer may take unpacked', () => 20 * 1024 ** 3),
  imagesMaxImage: key('images.max_image', sizeKind(1024 * 1024), 'most that an image may take unpacked', () => 50 * 1024 ** 3),
  imagesMaxFiles: key('images.max_files', countKind(1, 100_000_000), 'most files in a layer', () => 2_000_000),
  imagesMaxLayers: key('images.max_layers', countKind(1, 500), 'most layers of an image', () => 128),
  imagesStallTime: key('images.stall_time', durationKind(1000, HOUR_MS), 'how long a registry may send nothing', () => MINUTE_MS),
  imagesRetries: key('images.retries', countKind(0, 100), 'how often a blob is asked for again', () => 5),
  imagesAtOnce: key('images.at_once', countKind(1, 64), 'blobs that one pull fetches at a time', () => 3),
  stopGrace: key('stop_grace', durationKind(0, HOUR_MS), 'time between SIGTERM and SIGKILL when a caller does not say', () => 10_000),
  drainStreams: key('drain_streams', durationKind(0, 10 * MINUTE_MS), 'time that streams and waits go on while the daemon stops', () => 1000),
  drainCalls: key('drain_calls', durationKind(0, 10 * MINUTE_MS), 'time that other calls have to end while the daemon stops', () => 10_000),
} as const;

export type ConfigName = keyof typeof CONFIG_KEYS;
type ValueOf<Key> = Key extends ConfigKey<infer T> ? T : never;
/** The daemon's settings: checked, whole and frozen. Sizes in bytes, times in milliseconds. */
export type DaemonConfig = { readonly [Name in ConfigName]: ValueOf<(typeof CONFIG_KEYS)[Name]> };

/** `admission.queue_length` → `admission-queue-length` */
export function flagName(path: string): string {
  return path.replaceAll(/[._]/g, '-');
}

/** `admission.queue_length` → `VIVARIUM_ADMISSION_QUEUE_LENGTH` */
export function environmentName(path: string): string {
  return `VIVARIUM_${path.replaceAll('.', '_').toUpperCase()}`;
}
