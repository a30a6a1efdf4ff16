import type { DeviceRecord, DeviceState } from '../model/device-spec.ts';
import { to, type Rule, type Table } from './table.ts';

/**
 * The life of a device.
 *
 *                    attached               detach-requested
 *   intent ──▶ attaching ──▶ attached ────────────────────▶ unplugging ◀─┐ asked again
 *                 │  ▲           │ ▲                          │  │  └────┘
 *   attach-failed │  │           │ └──── unplug-refused ──────┘  │
 *   (all undone)  │  │ boot      │ unplugged (by the guest)      │ unplugged
 *                 ▼  │           ▼                               ▼
 *             (nothing)      releasing ◀─────────────────────────┘
 *                    │           │    └─ release-failed ─▶ failed ─ detach-requested ─▶ releasing
 *                   kept         ▼ released
 *                            (nothing)
 *
 * A plug that failed and could not be taken back (`attach-stuck`) is unplugging. An unplug that is not answered stays unplugging, its slot reserved,
 * until the VMM says that it is done. The VM's end takes every device out: what was attached is `kept` for the next start. `gone` is never on disk.
 */
export type DeviceMachineState = DeviceState | 'gone';

export type DeviceEventKind =
  | 'attached'
  /** Everything was undone. */
  | 'attach-failed'
  | 'attach-stuck'
  | 'detach-requested'
  | 'unplug-refused'
  /** Not answered in time; it goes on. */
  | 'unplug-late'
  /** The VMM says that it is out. */
  | 'unplugged'
  | 'released'
  | 'release-failed'
  /** Its sandbox starts again. */
  | 'replug-requested';

const NOTHING = {
  attached: 'ignore',
  'attach-failed': 'ignore',
  'attach-stuck': 'ignore',
  'detach-requested': 'refuse',
  'unplug-refused': 'ignore',
  'unplug-late': 'ignore',
  unplugged: 'ignore',
  released: 'ignore',
  'release-failed': 'ignore',
  'replug-requested': 'ignore',
} as const;

const goTo = (state: DeviceMachineState): Rule<DeviceMachineState, never> => to<DeviceMachineState, never>(state);

export const DEVICE_TABLE: Table<DeviceMachineState, DeviceEventKind, never> = {
  attaching: { ...NOTHING, attached: goTo('attached'), 'attach-failed': goTo('gone'), 'attach-stuck': goTo('unplugging'), unplugged: goTo('releasing') },
  attached: { ...NOTHING, 'detach-requested': goTo('unplugging'), unplugged: goTo('releasing') },
  unplugging: { ...NOTHING, 'detach-requested': goTo('unplugging'), 'unplug-refused': goTo('attached'), 'unplug-late': goTo('unplugging'), unplugged: goTo('releasing') },
  releasing: { ...NOTHING, 'attach-failed': goTo('gone'), 'detach-requested': 'ignore', released: goTo('gone'), 'release-failed': goTo('failed') },
  failed: { ...NOTHING, 'detach-requested': goTo('releasing'), released: goTo('gone') },
  // Nothing is plugged: it is only forgotten.
  kept: { ...NOTHING, 'detach-requested': goTo('gone'), 'replug-requested': goTo('attaching') },
  gone: { ...NOTHING },
};

/** What becomes of the devices of a VM that is no more: an unplug is over by it, a plug has failed, and what was attached waits for the next start. */
export function withoutVm(devices: readonly DeviceRecord[]): readonly DeviceRecord[] {
  const kept = devices.filter(({ state, attachedAtMs }) => state === 'attached' || state === 'kept' || (state === 'attaching' && attachedAtMs !== undefined));
  if (kept.length === devices.length && kept.every(({ state }) => state === 'kept')) return devices;
  return kept.map((device) => (device.state === 'kept' ? device : { ...device, state: 'kept', guest: undefined, detail: '' }));
}
