/**
 * What we use of the QEMU Machine Protocol, and no more (QEMU's docs/interop/qmp-spec and its QAPI reference). Fields that we do not name are
 * tolerated, since later versions add some.
 */

/** RunState of QAPI, as far as QEMU 5.0 to 7.2 have them; others are taken as they come. */
export type RunState =
  | 'running'
  | 'paused'
  | 'shutdown'
  | 'guest-panicked'
  | 'internal-error'
  | 'io-error'
  | 'watchdog'
  | 'suspended'
  | 'debug'
  | 'prelaunch'
  | 'inmigrate'
  | 'postmigrate'
  | 'finish-migrate'
  | 'restore-vm'
  | 'save-vm'
  | 'preconfig'
  | 'colo';

type NoArguments = Readonly<Record<string, never>>;

/** Command → what it takes and gives. */
export interface QmpCommands {
  'qmp_capabilities': { readonly arguments: { readonly enable?: readonly string[] }; readonly result: unknown };
  'query-status': { readonly arguments: NoArguments; readonly result: { readonly status: RunState; readonly running: boolean } };
  'query-cpus-fast': { readonly arguments: NoArguments; readonly result: readonly { readonly 'cpu-index': number }[] };
  'query-memory-size-summary': { readonly arguments: NoArguments; readonly result: { readonly 'base-memory': number; readonly 'plugged-memory'?: number } };
  'query-named-block-nodes': { readonly arguments: { readonly flat?: boolean }; readonly result: readonly { readonly 'node-name'?: string; readonly file?: string }[] };
  'qom-list': { readonly arguments: { readonly path: string }; readonly result: readonly { readonly name: string; readonly type: string }[] };
  'blockdev-add': { readonly arguments: Readonly<Record<string, unknown>>; readonly result: unknown };
  'blockdev-del': { readonly arguments: { readonly 'node-name': string }; readonly result: unknown };
  'chardev-add': { readonly arguments: Readonly<Record<string, unknown>>; readonly result: unknown };
  'chardev-remove': { readonly arguments: { readonly id: string }; readonly result: unknown };
  'netdev_del': { readonly arguments: { readonly id: string }; readonly result: unknown };
  'device_add': { readonly arguments: Readonly<Record<string, unknown>>; readonly result: unknown };
  'device_del': { readonly arguments: { readonly id: string }; readonly result: unknown };
  'stop': { readonly arguments: NoArguments; readonly result: unknown };
  'cont': { readonly arguments: NoArguments; readonly result: unknown };
  'system_powerdown': { readonly arguments: NoArguments; readonly result: unknown };
  'quit': { readonly arguments: NoArguments; readonly result: unknown };
}

export type QmpCommand = keyof QmpCommands;
export type QmpArguments<C extends QmpCommand> = QmpCommands[C]['arguments'];
export type QmpResult<C extends QmpCommand> = QmpCommands[C]['result'];

/** An event as it comes; `data` is checked where it is used. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** The VMM's clock, milliseconds since the epoch; 0 when it did not say. */
  readonly atMs: number;
}

export interface QmpVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
  /** The packager's addition, such as `Debian 1:7.2+dfsg-7`. */
  readonly package: string;
}

/** One line from the VMM, sorted by what it is. */
export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: QmpVersion }
  | { readonly kind: 'event'; readonly event: QmpEvent }
  | { readonly kind: 'result'; readonly id: unknown; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: unknown; readonly errorClass: string; readonly description: string }
  | { readonly kind: 'unknown' };

/** Sorts a parsed line. Never throws: what is none of the known is `unknown`. */
export function readMessage(value: unknown): QmpMessage {
  if (!isObject(value)) return { kind: 'unknown' };
  if ('QMP' in value) return readGreeting(value['QMP']);
  if (typeof value['event'] === 'string') {
    const data = isObject(value['data']) ? value['data'] : {};
    return { kind: 'event', event: { event: value['event'], data, atMs: readTimestamp(value['timestamp']) } };
  }
  if ('return' in value) return { kind: 'result', id: value['id'], result: value['return'] };
  if (isObject(value['error'])) {
    const { class: errorClass, desc } = value['error'];
    return { kind: 'error', id: value['id'], errorClass: readText(errorClass), description: readText(desc) };
  }
  return { kind: 'unknown' };
}

function readGreeting(value: unknown): QmpMessage {
  const version = isObject(value) && isObject(value['version']) ? value['version'] : {};
  const numbers = isObject(version['qemu']) ? version['qemu'] : {};
  return {
    kind: 'greeting',
    version: { major: readNumber(numbers['major']), minor: readNumber(numbers['minor']), micro: readNumber(numbers['micro']), package: readText(version['package']) },
  };
}

function readTimestamp(value: unknown): number {
  if (!isObject(value)) return 0;
  const seconds = readNumber(value['seconds']);
  // QEMU writes -1 when the host could not tell the time.
  return seconds < 0 ? 0 : seconds * 1000 + Math.floor(Math.max(0, readNumber(value['microseconds'])) / 1000);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readNumber(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function readText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
