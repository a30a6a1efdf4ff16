import { DomainError } from '../../core/model/errors.ts';
import type { ContainerUsage, GuestAgent, GuestFeature, GuestInfo, GuestProcess, OutputEvent } from '../../core/ports/agent.ts';

/** For guests without an agent: the VM's life works, every call about containers or the guest is a typed refusal. */
export class NoAgent implements GuestAgent {
  readonly kind = 'none';

  onEvent(): void {
    // Nobody is there to tell of anything.
  }

  rest(): void {
    // No call is ever under way.
  }

  async check(): Promise<void> {
    // There is nothing that could be unwell.
  }

  async info(): Promise<GuestInfo> {
    return { agentVersion: '', kernelRelease: '', bootId: '', memoryBytes: 0, cpus: 0 };
  }

  async features(): Promise<ReadonlySet<GuestFeature>> {
    return new Set();
  }

  async createSandbox(): Promise<void> {
    // Nothing to set up: a sandbox without an agent is its VM.
  }

  async destroySandbox(): Promise<void> {
    // Nobody to ask; the VM is powered down.
  }

  async createContainer(): Promise<void> {
    throw refused('create a container');
  }

  async startContainer(): Promise<void> {
    throw refused('start a container');
  }

  async removeContainer(): Promise<void> {
    throw refused('remove a container');
  }

  async exec(): Promise<void> {
    throw refused('run a process');
  }

  async signal(): Promise<void> {
    throw refused('send a signal');
  }

  async pauseContainer(): Promise<void> {
    throw refused('pause a container');
  }

  async resumeContainer(): Promise<void> {
    throw refused('resume a container');
  }

  async usage(): Promise<ContainerUsage> {
    throw refused('measure a container');
  }

  async resizeTty(): Promise<void> {
    throw refused('resize a terminal');
  }

  async metrics(): Promise<string> {
    throw refused('measure the guest');
  }

  async setTime(): Promise<void> {
    throw refused("set the guest's clock");
  }

  async reseed(): Promise<void> {
    throw refused("reseed the guest's random numbers");
  }

  async processes(): Promise<readonly GuestProcess[]> {
    throw refused('list processes');
  }

  output(): AsyncIterable<OutputEvent> {
    throw refused('read output');
  }

  ack(): void {
    throw refused('acknowledge output');
  }

  async writeStdin(): Promise<bigint> {
    throw refused('write to a process');
  }

  async awaitDevice(): Promise<never> {
    throw refused('tell what is plugged in');
  }

  async awaitFunction(): Promise<never> {
    throw refused('tell what is plugged in');
  }

  async releaseDevice(): Promise<void> {
    throw refused('let go of a device');
  }

  async awaitDeviceGone(): Promise<void> {
    throw refused('tell what is plugged in');
  }

  close(): void {
    // Nothing is open.
  }
}

function refused(what: string): DomainError {
  return new DomainError('UNSUPPORTED', `the guest has no agent, so nobody there can ${what}`, {
    remedy: 'use a profile whose guest has an agent (agent = "viv-agent")',
  });
}
