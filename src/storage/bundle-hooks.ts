import type { WaitOptions } from '../core/ports/host.ts';
import type { HookMoment, HookRunState, HostHookRunner } from '../core/ports/oci.ts';
import type { ResolvedSource } from '../core/ports/storage.ts';
import type { HookRunner } from './hooks.ts';
import { hostHooks } from './oci/hook-order.ts';

/** The hooks of a container that comes from an OCI bundle; other containers have none. */
export class BundleHooks implements HostHookRunner {
  readonly #runner: HookRunner;

  constructor(runner: HookRunner) {
    this.#runner = runner;
  }

  check(source: ResolvedSource): void {
    if (source.bundleSpec !== undefined) hostHooks(source.bundleSpec);
  }

  async run(moment: HookMoment, source: ResolvedSource, state: HookRunState, options: WaitOptions = {}): Promise<void> {
    if (source.bundleSpec === undefined || source.source.kind !== 'bundle') return;
    const hooks = hostHooks(source.bundleSpec)[moment];
    if (hooks.length === 0) return;
    const status = moment === 'beforeStart' ? 'created' : moment === 'afterStart' ? 'running' : 'stopped';
    await this.#runner.run(hooks, { id: state.containerId, status, pid: state.vmmPid, bundle: source.source.path, annotations: state.annotations }, options);
  }
}
