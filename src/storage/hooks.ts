import { DomainError } from '../core/model/errors.ts';
import type { ProcessRunner, WaitOptions } from '../core/ports/host.ts';
import { OCI_VERSION } from './oci/runtime-spec.ts';
import type { OciHook } from './oci/runtime-spec.ts';

/** What a hook reads on its stdin (runtime-spec, runtime.md, "State"). */
export interface HookState {
  readonly id: string;
  readonly status: 'creating' | 'created' | 'running' | 'stopped';
  /** Of the VMM: the container's own pid is the guest's. 0: not running. */
  readonly pid: number;
  readonly bundle: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A hook without a time-out of its own may not hold a container for ever. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** `NAME=value` entries as the runner takes them. A hook gets these and nothing of the daemon's environment. */
function environmentOf(entries: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(entries.map((entry) => {
    const equals = entry.indexOf('=');
    return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
  }));
}

/** Runs OCI hooks on the host. */
export class HookRunner {
  readonly #runner: ProcessRunner;

  constructor(runner: ProcessRunner) {
    this.#runner = runner;
  }

  /** One after the other. PROCESS_START_FAILED at the first that fails or takes too long, with its path and words. */
  async run(hooks: readonly OciHook[], state: HookState, options: WaitOptions = {}): Promise<void> {
    const input = `${JSON.stringify({ ociVersion: OCI_VERSION, ...state })}\n`;
    for (const hook of hooks) await this.#runOne(hook, input, options);
  }

  async #runOne(hook: OciHook, input: string, options: WaitOptions): Promise<void> {
    // args[0] is the name that the program sees for itself; the runner sets the path there, as nearly every caller does.
    const args = hook.args.slice(1);
    const timeoutMs = hook.timeout === undefined ? DEFAULT_TIMEOUT_MS : hook.timeout * 1_000;
    const result = await this.#runner.run(hook.path, args, { timeoutMs, signal: options.signal, input, env: environmentOf(hook.env) }).catch((error: unknown) => {
      if (options.signal?.aborted === true) throw error;
      throw this.#failure(hook, error instanceof Error ? error.message : String(error), error);
    });
    if (result.code !== 0) throw this.#failure(hook, `exit code ${result.code}: ${result.stderr.trim().slice(0, 2_000)}`, undefined);
  }

  #failure(hook: OciHook, words: string, cause: unknown): DomainError {
    return new DomainError('PROCESS_START_FAILED', `hook ${hook.path} failed: ${words}`, { cause, facts: { hook: hook.path }, remedy: "correct the hook, or remove it from the bundle's config.json" });
  }
}
