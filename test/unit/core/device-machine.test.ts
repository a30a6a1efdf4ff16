import { describe, expect, it } from 'vitest';
import { DEVICE_TABLE, withoutVm, type DeviceEventKind, type DeviceMachineState } from '../../../src/core/machine/device-machine.ts';
import { step } from '../../../src/core/machine/table.ts';
import { deviceRecord } from '../../fakes/records.ts';

function follow(state: DeviceMachineState, ...events: readonly DeviceEventKind[]): DeviceMachineState | 'refused' {
  let now = state;
  for (const event of events) {
    const next = step(DEVICE_TABLE, now, event);
    if (next.kind === 'refused') return 'refused';
    if (next.kind === 'moved') now = next.to;
  }
  return now;
}

describe('the life of a device', () => {
  it.each<[string, DeviceMachineState, readonly DeviceEventKind[], DeviceMachineState | 'refused']>([
    ['attached and detached', 'attaching', ['attached', 'detach-requested', 'unplugged', 'released'], 'gone'],
    ['a plug that failed and was undone', 'attaching', ['attach-failed'], 'gone'],
    ['a plug that failed and stays', 'attaching', ['attach-stuck', 'unplugged', 'released'], 'gone'],
    ['a plug undone, its event heard first', 'attaching', ['unplugged', 'attach-failed'], 'gone'],
    ['an unplug that the guest refuses', 'attached', ['detach-requested', 'unplug-refused'], 'attached'],
    ['an unplug that is late', 'attached', ['detach-requested', 'unplug-late', 'unplugged'], 'releasing'],
    ['an unplug that is told twice', 'attached', ['detach-requested', 'unplugged', 'unplugged', 'released', 'unplugged'], 'gone'],
    ['one that the guest let go of unasked', 'attached', ['unplugged', 'released'], 'gone'],
    ['a refusal of nothing', 'attached', ['unplug-refused'], 'attached'],
    ['a release that fails is tried again', 'releasing', ['release-failed', 'detach-requested', 'released'], 'gone'],
    ['detached while it is attached', 'attaching', ['detach-requested'], 'refused'],
    ['detached while its sandbox does not run', 'kept', ['detach-requested'], 'gone'],
    ['plugged in again', 'kept', ['replug-requested', 'attached'], 'attached'],
  ])('%s', (_name, from, events, end) => {
    expect(follow(from, ...events)).toBe(end);
  });

  it('without its VM what was attached is kept, and what was on its way is not', () => {
    const devices = (['attached', 'unplugging', 'releasing', 'failed', 'kept'] as const).map((state) => deviceRecord({ id: state, state, attachedAtMs: 1 }));
    const moving = [deviceRecord({ id: 'new', state: 'attaching' }), deviceRecord({ id: 'again', state: 'attaching', attachedAtMs: 1 })];
    expect(withoutVm([...devices, ...moving]).map(({ id, state }) => [id, state])).toEqual([['attached', 'kept'], ['kept', 'kept'], ['again', 'kept']]);
    const kept = [deviceRecord({ state: 'kept' })];
    expect(withoutVm(kept)).toBe(kept);
  });
});
