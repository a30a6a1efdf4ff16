import type { DeviceSpec } from '../../core/model/device-spec.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Phase } from '../../core/model/outcome.ts';
import { attachInTurn, checkMachine } from './device-attach.ts';
import { detachInTurn } from './device-detach.ts';
import { slotsOf } from './device-runs.ts';
import type { DeviceOperations, DeviceView, MutateOptions } from './facade.ts';
import type { Registry } from './registry.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** Every verb on a device. */
export class Devices implements DeviceOperations {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  async attach(ref: string, spec: DeviceSpec, options: MutateOptions): Promise<{ readonly device: DeviceView; readonly phases: readonly Phase[] }> {
    const unit = this.#registry.sandbox(ref);
    checkMachine(unit, spec.what);
    const phases = await attachInTurn(unit, { spec, owner: '' }, options);
    return { device: this.get(unit.id, spec.id), phases };
  }

  async detach(ref: string, id: string, how: { readonly force: boolean }, options: MutateOptions): Promise<readonly Phase[]> {
    const unit = this.#registry.sandbox(ref);
    const missing = (): void => {
      // The same request has detached it before.
      if (options.attempt?.begunAtMs === undefined) throw notFound(unit, id);
    };
    return await detachInTurn(unit, id, { ...how, missing }, options);
  }

  get(ref: string, id: string): DeviceView {
    const { record } = this.#registry.sandbox(ref);
    const device = record.devices.find((candidate) => candidate.id === id);
    if (device === undefined) throw notFound({ record }, id);
    return { sandboxId: record.id, device };
  }

  list(ref: string): { readonly devices: readonly DeviceView[]; readonly freeSlots: number } {
    const unit = this.#registry.sandbox(ref);
    return { devices: unit.record.devices.map((device) => ({ sandboxId: unit.id, device })), freeSlots: slotsOf(unit).free };
  }
}

function notFound({ record }: Pick<SandboxUnit, 'record'>, id: string): DomainError {
  return new DomainError('DEVICE_NOT_FOUND', `no device ${id} in sandbox ${record.name}`, { sandboxId: record.id, remedy: 'see what there is with "viv device ls"' });
}
