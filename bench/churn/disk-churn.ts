import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { daemonFailure } from '../../src/cli/client/daemon-failure.ts';
import { DeviceState, deviceStateToJSON } from '../../src/gen/vivarium/v1/device.ts';
import type { Device, ListDevicesResponse } from '../../src/gen/vivarium/v1/device.ts';
import type { DaemonLife } from '../chaos/life.ts';
import type { Turn, Verb } from './turns.ts';

/** A change that its caller left, or whose daemon died, is over within this. */
const SETTLED_MS = 60_000;
const AGREED_MS = 20_000;
const LOOK_MS = 20;

export interface ChurnParts {
  readonly life: DaemonLife;
  readonly sandboxId: string;
  /** Sleeps in that sandbox. */
  readonly containerId: string;
  /** The image of a disk by its number. */
  readonly disk: (index: number) => string;
}

/** Disks that come and go in one VM, callers that leave, and a daemon that is killed; and what was found wrong. */
export class DiskChurn {
  readonly violations: string[] = [];
  readonly done = new Map<string, number>();
  readonly #parts: ChurnParts;

  constructor(parts: ChurnParts) {
    this.#parts = parts;
  }

  /** In and out again, with the turn's fault in one of both. */
  async take(turn: Turn): Promise<void> {
    const id = `d${turn.disk}`;
    await this.#change('attach', id, turn);
    if ((await this.#settled(id)) === undefined) {
      this.#count('given up before it began');
      return;
    }
    await this.#change('detach', id, turn);
    if ((await this.#settled(id)) === undefined) return;
    this.#count('detach asked for again');
    await this.#change('detach', id, { ...turn, fault: 'none' });
    if ((await this.#settled(id)) !== undefined) this.violations.push(`${id} was detached and is there`);
  }

  /** Record, free ports and guest say the same, once what a caller left behind him has come to its end: a change that has begun is not in the record at once. */
  async agree(ports: number): Promise<void> {
    const until = performance.now() + AGREED_MS;
    for (;;) {
      const wrong = await this.#differences(ports);
      if (wrong.length === 0) return;
      if (performance.now() > until) {
        this.violations.push(...wrong);
        return;
      }
      await delay(LOOK_MS);
    }
  }

  async #differences(ports: number): Promise<readonly string[]> {
    const { life, sandboxId, containerId } = this.#parts;
    const { devices, freeSlots } = await this.#list();
    const names = devices.map(({ guestPath }) => guestPath.replace('/dev/', '')).sort().join(' ');
    const script = `[ "$(ls /sys/block | sort | tr '\\n' ' ')" = "${names === '' ? '' : `${names} `}" ]`;
    const { code } = await life.ask((client, signal) => client.exec(containerId, ['sh', '-c', script], signal));
    const { sandbox } = await life.ask((client, signal) => client.sandboxes.getSandbox({ sandboxId }, { signal }));
    return [
      ...(devices.length + freeSlots === ports ? [] : [`${devices.length} devices and ${freeSlots} free ports of ${ports}`]),
      ...(code === 0 ? [] : [`the record has "${names}", and the guest something else`]),
      ...(sandbox?.conditions ?? []).map(({ name, message }) => `condition ${name}: ${message}`),
    ];
  }

  /** Every port is taken at once, and given back: one that leaked would be missing. */
  async fill(ports: number): Promise<void> {
    const ids = Array.from({ length: ports }, (_each, index) => `full${index}`);
    await Promise.all(ids.map((id, index) => this.#ask('attach', id, this.#parts.disk(index), undefined)));
    await this.agree(ports);
    if ((await this.#list()).freeSlots !== 0) this.violations.push('with a disk in each port there are free ones');
    await Promise.all(ids.map((id) => this.#ask('detach', id, '', undefined)));
    await this.agree(ports);
  }

  async #change(verb: Verb, id: string, { fault, strikes, afterMs, disk }: Turn): Promise<void> {
    const strike = fault !== 'none' && strikes === verb ? fault : 'none';
    const caller = new AbortController();
    const struck = this.#strike(strike, afterMs, caller);
    try {
      await this.#ask(verb, id, this.#parts.disk(disk), caller.signal);
      this.#count(verb);
    } catch (error) {
      if (caller.signal.aborted) this.#count(`aborted: ${verb}`);
      else this.violations.push(`${verb} of ${id} was refused: ${daemonFailure(error)?.reason ?? ''} ${String(error)}`);
    }
    await struck;
  }

  async #strike(fault: Turn['fault'], afterMs: number, caller: AbortController): Promise<void> {
    if (fault === 'none') return;
    await delay(afterMs);
    if (fault === 'aborted') {
      caller.abort();
      return;
    }
    this.#count('killed: daemon');
    await this.#parts.life.crash(0);
  }

  async #ask(verb: Verb, deviceId: string, path: string, caller: AbortSignal | undefined): Promise<void> {
    const { life, sandboxId } = this.#parts;
    const requestId = randomUUID();
    await life.ask(async (client, whole) => {
      const signal = caller === undefined ? whole : AbortSignal.any([whole, caller]);
      if (verb === 'attach') await client.devices.attachDevice({ requestId, sandboxId, device: { id: deviceId, kind: { $case: 'block', value: { path } } } }, { signal });
      else await client.devices.detachDevice({ requestId, sandboxId, deviceId }, { signal });
    });
  }

  /** The device once nothing is on its way any more; undefined when it is out. */
  async #settled(id: string): Promise<Device | undefined> {
    const until = performance.now() + SETTLED_MS;
    for (;;) {
      const device = (await this.#list()).devices.find((candidate) => candidate.id === id);
      if (device === undefined || device.state === DeviceState.DEVICE_STATE_ATTACHED) return device;
      if (performance.now() > until) {
        this.violations.push(`${id} is still ${deviceStateToJSON(device.state)}: ${device.detail}`);
        return device;
      }
      await delay(LOOK_MS);
    }
  }

  async #list(): Promise<ListDevicesResponse> {
    const { life, sandboxId } = this.#parts;
    return await life.ask((client, signal) => client.devices.listDevices({ sandboxId }, { signal }));
  }

  #count(what: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1);
  }
}
