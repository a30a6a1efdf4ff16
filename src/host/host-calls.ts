import { throwIfAborted } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { BindCall, ByteStream, CallFailure, Clock, MountCall, MountCalls, TapCall, TapCalls, TreeRemoval, WaitOptions } from '../core/ports/host.ts';
import { HelperGoneError, HelperSession } from './helper-session.ts';
import type { HelperAnswer, HelperCall } from './helper-session.ts';
import { isObject } from './launcher-record.ts';

const MOUNT_MS = 10_000;
const NOTIFY_MS = 10_000;
/** Above what the helper itself gives the VMM's monitor, three times over. */
const TAP_MS = 20_000;
/** The launcher answers after execve of the child, which takes milliseconds; a loaded host may need more. */
const LAUNCH_MS = 15_000;
/** A tree may be large and its disk slow; it blocks nothing else. */
const REMOVE_MS = 600_000;

export interface HostCallsParts {
  /** Starts one: its stdin and stdout as a stream. */
  readonly start: () => ByteStream;
  readonly clock: Clock;
}

/**
 * What Node can't do itself or only by a costly fork of the whole daemon, asked of a small resident process: launches, mounts,
 * removals (docs/protocols/launcher.md, "serve"), and messages to the service manager. It is started when first needed and again when it died.
 */
export class HostCalls implements MountCalls, TapCalls, TreeRemoval {
  readonly #parts: HostCallsParts;
  #session: HelperSession | undefined;
  #closed = false;

  constructor(parts: HostCallsParts) {
    this.#parts = parts;
  }

  async mount(calls: readonly MountCall[], options: WaitOptions = {}): Promise<CallFailure | undefined> {
    const mounts = calls.map(({ source, target, fsType, flags, data }) => ({ source, target, fstype: fsType, flags, data }));
    // Done twice, a mount is there twice: only the caller knows whether it may be asked again.
    return failureOf(await this.#ask({ cmd: 'mount', mounts }, { timeoutMs: MOUNT_MS, signal: options.signal, what: `mount ${calls.at(-1)?.target ?? ''}` }, 'once'));
  }

  async bind(calls: readonly BindCall[], options: WaitOptions = {}): Promise<CallFailure | undefined> {
    const binds = calls.map(({ subPath, ...call }) => ({ ...call, sub_path: subPath ?? '' }));
    return failureOf(await this.#ask({ cmd: 'bind', binds }, { timeoutMs: MOUNT_MS, signal: options.signal, what: `bind ${calls.at(-1)?.source ?? ''}` }, 'once'));
  }

  async unmount(targets: readonly string[], options: WaitOptions = {}): Promise<CallFailure | undefined> {
    return failureOf(await this.#ask({ cmd: 'unmount', targets }, { timeoutMs: MOUNT_MS, signal: options.signal, what: `unmount ${targets[0] ?? ''}` }, 'again'));
  }

  async removeTrees(paths: readonly string[], options: WaitOptions = {}): Promise<CallFailure | undefined> {
    return failureOf(await this.#ask({ cmd: 'remove_trees', paths }, { timeoutMs: REMOVE_MS, signal: options.signal, what: `removing ${paths[0] ?? ''}` }, 'again'));
  }

  async tap(call: TapCall, options: WaitOptions = {}): Promise<CallFailure | undefined> {
    const answer = await this.#ask({ cmd: 'tap', ...call }, { timeoutMs: TAP_MS, signal: options.signal, what: `tap ${call.name}` }, 'once');
    const error = answer['error'];
    // The VMM's own words, of its monitor and not of a system call.
    if (isObject(error) && error['code'] === 'monitor' && error['errno'] === '') throw new DomainError('VMM_FAILED', String(error['message']));
    return failureOf(answer);
  }

  /** One datagram to a service manager, with `pid` as its sender. Rejects HOST_RESOURCE when it was not taken. */
  async notify(socket: string, pid: number, state: string): Promise<void> {
    const failure = failureOf(await this.#ask({ cmd: 'notify', socket, pid, state }, { timeoutMs: NOTIFY_MS, what: `telling ${socket}` }, 'again'));
    if (failure !== undefined) throw new DomainError('HOST_RESOURCE', `${socket}: ${failure.message}`, { facts: { errno: failure.errno } });
  }

  /** The launcher's answer line, success or refusal: a second launch in one directory finds the first. Not cut short by its caller. */
  async launch(dir: string, spec: object): Promise<HelperAnswer> {
    return await this.#ask({ cmd: 'launch', dir, spec }, { timeoutMs: LAUNCH_MS, what: `viv-launcher ${dir}` }, 'again');
  }

  /** Ends the helper; what it launched stays. Whoever still waits is refused. */
  close(): void {
    this.#closed = true;
    this.#session?.close();
  }

  async #ask(request: object, call: HelperCall, after: 'once' | 'again'): Promise<HelperAnswer> {
    throwIfAborted(call.signal);
    try {
      return await this.#living().ask(request, call);
    } catch (error) {
      if (!(error instanceof HelperGoneError)) throw error;
      if (after === 'once' || this.#closed) throw goneFailure(error, call);
    }
    try {
      return await this.#living().ask(request, call);
    } catch (error) {
      throw error instanceof HelperGoneError ? goneFailure(error, call) : error;
    }
  }

  #living(): HelperSession {
    if (this.#closed) throw new DomainError('SHUTTING_DOWN', 'the daemon stops');
    if (this.#session === undefined || this.#session.ended) this.#session = new HelperSession(this.#parts.start(), this.#parts.clock);
    return this.#session;
  }
}

function goneFailure(error: HelperGoneError, { what }: HelperCall): DomainError {
  const cause = error.cause instanceof DomainError ? error.cause : undefined;
  return new DomainError(cause?.reason === 'SHUTTING_DOWN' ? 'SHUTTING_DOWN' : 'HOST_RESOURCE', `${what}: ${error.message}`, { ...cause?.details, cause: error });
}

/** A failed system call is a result; that the helper could not carry the request out is an error. */
function failureOf(answer: HelperAnswer): CallFailure | undefined {
  const error = answer['error'];
  if (!isObject(error)) return undefined;
  const text = (key: string): string => (typeof error[key] === 'string' ? error[key] : '');
  if (text('errno') === '') throw new DomainError('HOST_RESOURCE', `viv-launcher: ${text('message')}`, { facts: { launcher: text('code') } });
  return { errno: text('errno'), path: text('path'), message: text('message') };
}
