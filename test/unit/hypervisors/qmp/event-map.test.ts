import { describe, expect, it } from 'vitest';
import { toVmEvent } from '../../../../src/hypervisors/qmp/event-map.ts';

describe('toVmEvent', () => {
  it.each([
    ['STOP', {}, { kind: 'paused' }],
    ['RESUME', {}, { kind: 'resumed' }],
    ['SHUTDOWN', { guest: true, reason: 'guest-shutdown' }, { kind: 'guest-shutdown', reason: 'guest-shutdown' }],
    ['SHUTDOWN', { guest: true }, { kind: 'guest-shutdown', reason: 'guest-shutdown' }],
    ['SHUTDOWN', { guest: true, reason: 'guest-reset' }, { kind: 'guest-reboot' }],
    ['SHUTDOWN', { guest: true, reason: 'guest-panic' }, undefined],
    ['SHUTDOWN', { guest: false, reason: 'host-qmp-quit' }, undefined],
    ['SHUTDOWN', {}, undefined],
    ['RESET', { guest: true, reason: 'guest-reset' }, { kind: 'guest-reboot' }],
    ['RESET', { guest: false, reason: 'host-qmp-system-reset' }, undefined],
    ['GUEST_PANICKED', { action: 'pause' }, { kind: 'guest-panic', detail: '' }],
    ['GUEST_PANICKED', { action: 'pause', info: { type: 'hyper-v', arg1: 1 } }, { kind: 'guest-panic', detail: '{"type":"hyper-v","arg1":1}' }],
    ['GUEST_PANICKED', { info: 'words' }, { kind: 'guest-panic', detail: '' }],
    ['RTC_CHANGE', { offset: 1 }, undefined],
    ['', {}, undefined],
  ])('%s %j means %j', (event, data, meaning) => {
    expect(toVmEvent({ event, data, atMs: 0 })).toEqual(meaning);
  });
});
