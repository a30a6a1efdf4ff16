import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ExecSpec } from '../../core/model/sandbox-spec.ts';
import { startRefused } from './container-runs.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { Deps } from './deps.ts';
import { ExecSession } from './exec-session.ts';
import type { MutateOptions, ProcessStream } from './facade.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import type { Registry } from './registry.ts';

/** Starts further processes in containers. */
export class ExecLauncher {
  readonly #deps: Deps;
  readonly #registry: Registry;

  constructor(deps: Deps, registry: Registry) {
    this.#deps = deps;
    this.#registry = registry;
  }

  async start(container: ContainerUnit, spec: ExecSpec, options: MutateOptions): Promise<ProcessStream> {
    const timer = new PhaseTimer(this.#deps.clock);
    const { sandbox } = container;
    this.#check(container);
    const execId = this.#deps.ids.id();
    await sandbox.gate.through(() => this.#launch(container, execId, spec, timer, options), options.signal);
    const session = new ExecSession({ container, execId, tty: spec.tty, onEnd: () => { this.#registry.removeExec(execId); } });
    this.#registry.addExec(session);
    // Told beside the exec, not before it: nothing on disk depends on this one.
    void this.#deps.hub.publish({ type: 'EXEC_STARTED', atMs: this.#deps.clock.wallMs(), sandboxId: sandbox.id, containerId: container.id, name: container.record.name, message: '', attributes: { exec_id: execId } });
    if (!spec.stdin) session.stdin.close().catch((error: unknown) => { sandbox.log.debug({ error, exec: execId }, 'stdin not closed; the process has ended'); });
    if (spec.tty && spec.ttySize !== undefined) await session.resize(spec.ttySize);
    return await session.open({ stdout: 0n, stderr: 0n }, timer.finish());
  }

  async #launch(container: ContainerUnit, execId: string, spec: ExecSpec, timer: PhaseTimer, options: MutateOptions): Promise<void> {
    const { sandbox } = container;
    this.#check(container);
    const source = await container.source();
    const { hostname } = sandbox.record.spec;
    const setup = await this.#deps.oci.process({ containerId: container.id, execId, hostname: hostname === '' ? sandbox.id.slice(-10) : hostname, spec: container.record.spec, exec: spec, source });
    const agent = await (sandbox.agent?.get({ signal: options.signal }) ?? Promise.reject(new DomainError('AGENT_UNREACHABLE', 'the VM has ended', { sandboxId: sandbox.id })));
    try {
      // Not the caller's signal: a process that may run is a process that is watched.
      await new PlanRun(sandbox, 'exec', timer).step('agent_exec', () => agent.exec(setup));
    } catch (error) {
      const problem = toDomainError(error);
      throw problem.reason === 'AGENT_REFUSED' ? startRefused(problem, container.id) : problem;
    }
  }

  #check(container: ContainerUnit): void {
    const { sandbox, record } = container;
    const problem = sandbox.record.state === 'paused' ? `sandbox ${sandbox.record.name} is paused` : record.state === 'running' ? undefined : `container ${record.name} is ${record.state}`;
    if (problem === undefined) return;
    const remedy = sandbox.record.state === 'paused' ? 'resume the sandbox first' : record.state === 'paused' ? 'unpause the container first' : 'start the container first';
    throw new DomainError('WRONG_STATE', `cannot exec: ${problem}`, { sandboxId: sandbox.id, containerId: container.id, remedy });
  }
}
