import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ExecSpec } from '../../core/model/sandbox-spec.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { Deps } from './deps.ts';
import type { ExecSession } from './exec-session.ts';
import { foundExec, newExec } from './found-exec.ts';
import type { MutateOptions, Offsets, ProcessStream, ResumeOptions } from './facade.ts';
import { recovered } from './guest-access.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { usersPath } from './rootfs-runs.ts';
import type { Registry } from './registry.ts';
import { startRefused } from './start-failure.ts';

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
    const execId = options.attempt?.subject ?? this.#deps.ids.id();
    const before = options.attempt?.begunAtMs === undefined ? undefined : await this.#startedBefore(container, execId, options);
    if (before !== undefined) {
      if (!spec.stdin) this.#closeStdin(before);
      return await before.open({ stdout: 0n, stderr: 0n }, []);
    }
    if (sandbox.agent === undefined) await recovered(container, options);
    this.#check(container);
    await sandbox.gate.through(() => this.#launch(container, execId, spec, timer, options), options.signal);
    const session = newExec(this.#registry, container, execId, spec.tty);
    // Told beside the exec, not before it: nothing on disk depends on this one.
    void this.#deps.hub.publish({ type: 'EXEC_STARTED', atMs: this.#deps.clock.wallMs(), sandboxId: sandbox.id, containerId: container.id, name: container.record.name, message: '', attributes: { exec_id: execId } });
    if (!spec.stdin) this.#closeStdin(session);
    if (spec.tty && spec.ttySize !== undefined) await session.resize(spec.ttySize);
    return await session.open({ stdout: 0n, stderr: 0n }, timer.finish());
  }

  /** Joins an exec again. EXEC_NOT_FOUND once it is known that there is none, or that it is another container's. */
  async resume(execId: string, offsets: Offsets, { containerRef, signal }: ResumeOptions): Promise<ProcessStream> {
    const registry = this.#registry;
    const container = containerRef === undefined ? undefined : registry.container(containerRef);
    if (container === undefined) await registry.unmet.until(() => registry.hasExec(execId), { signal });
    else if (!registry.hasExec(execId)) await registry.unmet.known(container.sandbox.id, { signal });
    const session = registry.exec(execId);
    if (container !== undefined && session.container !== container) {
      throw new DomainError('EXEC_NOT_FOUND', `exec ${execId} is not of container ${container.record.name}`, { containerId: container.id, remedy: 'resume it with the container id that its start was answered with, or without one' });
    }
    return await session.open(offsets, []);
  }

  #closeStdin(session: ExecSession): void {
    session.stdin.close().catch((error: unknown) => { session.container.sandbox.log.debug({ error, exec: session.execId }, 'stdin not closed; the process has ended'); });
  }

  /** What the same request has started, as the guest knows it. */
  async #startedBefore(container: ContainerUnit, execId: string, options: MutateOptions): Promise<ExecSession | undefined> {
    const { sandbox } = container;
    const known = (): ExecSession | undefined => this.#registry.findExec(execId);
    if (known() !== undefined || container.record.state !== 'running') return known();
    if (sandbox.record.state === 'paused') {
      throw new DomainError('RECOVERING', `whether this exec was started is known once sandbox ${sandbox.record.name} is resumed`, { sandboxId: sandbox.id, containerId: container.id, remedy: 'resume the sandbox first' });
    }
    const agent = await sandbox.agent?.get({ signal: options.signal });
    if (agent?.kind === 'kata') {
      throw new DomainError('REQUEST_OUTCOME_UNKNOWN', 'an official kata agent can not tell whether this exec was started', { sandboxId: sandbox.id, containerId: container.id, remedy: 'look into the container, and send it with a new request id if it is still wanted' });
    }
    const process = (await agent?.processes(options))?.find(({ key }) => key.execId === execId);
    return process === undefined ? undefined : foundExec(this.#registry, container, process, execId);
  }

  async #launch(container: ContainerUnit, execId: string, spec: ExecSpec, timer: PhaseTimer, options: MutateOptions): Promise<void> {
    const { sandbox } = container;
    this.#check(container);
    const source = await container.source();
    const { hostname } = sandbox.record.spec;
    const setup = await this.#deps.oci.process({ containerId: container.id, execId, hostname: hostname === '' ? sandbox.id.slice(-10) : hostname, spec: container.record.spec, exec: spec, source, rootfs: usersPath(container) });
    const agent = await (sandbox.agent?.get({ signal: options.signal }) ?? Promise.reject(new DomainError('AGENT_UNREACHABLE', 'the VM has ended', { sandboxId: sandbox.id })));
    try {
      // Not the caller's signal: a process that may run is a process that is watched.
      await new PlanRun(sandbox, 'exec', timer).step('agent_exec', () => agent.exec(setup));
    } catch (error) {
      const problem = toDomainError(error);
      throw problem.reason === 'AGENT_REFUSED' ? startRefused(problem, container.id, setup.args) : problem;
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
