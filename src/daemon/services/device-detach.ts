import { toDomainError } from '../../core/model/errors.ts';
import type { Phase } from '../../core/model/outcome.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { mustRun } from './device-attach.ts';
import { plugOut } from './device-runs.ts';
import { PhaseTimer } from './phase-timer.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

export interface Detaching {
  /** The guest is not asked whether it uses it. */
  readonly force: boolean;
  /** Called when there is no such device: throws if that is wrong. */
  readonly missing: () => void;
}

/** In its turn among the changes of its VM: until VMM and guest both say that it is gone, and the host has it back. */
export async function detachInTurn(unit: SandboxUnit, id: string, { force, missing }: Detaching, options: WaitOptions): Promise<readonly Phase[]> {
  const { clock, metrics } = unit.deps;
  const timer = new PhaseTimer(clock);
  const asked = clock.monotonicMs();
  const work = async (): Promise<readonly Phase[]> => {
    timer.add('queue', asked, clock.monotonicMs());
    const device = unit.record.devices.find((candidate) => candidate.id === id);
    if (device === undefined) {
      missing();
      return [];
    }
    if (device.state !== 'kept') mustRun(unit, 'detach a device');
    await unit.gate.through(() => plugOut(unit, device, { force, timer }));
    return timer.finishAs('device_detach', metrics);
  };
  const change = { subject: id, verb: 'detach', spec: String(force), work };
  return await unit.hotplug.submit(change, options).catch((error: unknown) => { throw toDomainError(error).within({ sandboxId: unit.id }); });
}
