import { resolve } from 'node:path';
import { AttachDeviceResponse, blockFormatToJSON, Device, DeviceState, deviceStateToJSON } from '../../gen/vivarium/v1/device.ts';
import { UsageError } from '../cli-error.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { prettyJson } from '../format/json.ts';
import { printListing } from '../format/listing.ts';
import type { ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import { timeAgo } from '../format/relative-time.ts';
import { withSlowNotice } from '../format/slow-notice.ts';
import type { Column } from '../format/table.ts';
import { renderTimings } from '../format/timings.ts';
import { parseDevice } from '../requests/device-spec.ts';
import { required } from './create-container.ts';
import { forEachOperand } from './for-each-operand.ts';

interface AttachFlags {
  readonly id: string;
  readonly timings?: boolean;
  readonly output?: string;
}

/** `viv device attach`: prints how the guest calls it. */
export const attachDevice: Action<AttachFlags> = async (context, [sandboxId = '', text = ''], flags) => {
  if (flags.output !== undefined && flags.output !== 'json') throw new UsageError(`--output: there is no "${flags.output}"`, 'known is json');
  const spec = parseDevice(flags.id, text, (path) => resolve(context.cwd, path));
  const { devices } = await context.connect('devices');
  const begun = performance.now();
  const reply = await withSlowNotice(context.host, 'attaching…', () => devices.attachDevice({ requestId: context.host.newId(), sandboxId, device: spec }));
  const device = required(reply.device, 'AttachDevice');
  context.host.stdout.write(flags.output === 'json' ? prettyJson(AttachDeviceResponse.toJSON(reply)) : `${guestNames(device)}\n`);
  if (device.detail !== '') context.host.stderr.write(`viv: ${device.detail}\n`);
  if (flags.timings === true) context.host.stderr.write(renderTimings([{ call: 'attach device', tookMs: performance.now() - begun, phases: reply.phases }], undefined));
  return ExitCode.ok;
};

/** A disk's node; of a PCI device every node and interface that the guest made of it; the id where nobody tells. */
function guestNames({ id, guestPath, functions }: Device): string {
  const names = functions.flatMap(({ nodes, interfaces }) => [...nodes, ...interfaces]);
  if (names.length > 0) return names.join('\n');
  return guestPath === '' ? id : guestPath;
}

/** `viv device detach`. */
export const detachDevice: Action<{ readonly force?: boolean; readonly timings?: boolean }> = async (context, [sandboxId = '', ...ids], flags) => {
  const { devices } = await context.connect('devices');
  return await forEachOperand(context, ids, async (deviceId) => {
    const begun = performance.now();
    const { phases } = await devices.detachDevice({ requestId: context.host.newId(), sandboxId, deviceId, force: flags.force === true });
    if (flags.timings === true) context.host.stderr.write(renderTimings([{ call: `detach ${deviceId}`, tookMs: performance.now() - begun, phases }], undefined));
    return deviceId;
  });
};

/** `viv device ls`. */
export const listDevices: Action<ListingFlags> = async (context, [sandboxId = ''], flags) => {
  const { devices } = await context.connect('devices');
  const reply = await devices.listDevices({ sandboxId });
  printListing(context, flags, { columns: columns(context.host.clock.now()), rows: reply.devices, json: { devices: reply.devices.map((device) => Device.toJSON(device)), freeSlots: reply.freeSlots }, id: (device) => device.id });
  return ExitCode.ok;
};

function columns(now: Date): Column<Device>[] {
  return [
    { title: 'DEVICE ID', text: (row) => row.id },
    { title: 'KIND', text: (row) => row.spec?.kind?.$case ?? '' },
    { title: 'STATE', text: (row) => enumText(deviceStateToJSON(row.state), 'DEVICE_STATE_') },
    { title: 'GUEST', text: (row) => [row.guestPath, ...row.functions.flatMap(({ interfaces }) => interfaces)].filter((name) => name !== '').join(' ') },
    { title: 'SIZE', text: (row) => (row.sizeBytes === 0n ? '' : describeBytes(row.sizeBytes)) },
    { title: 'PATH', text: (row) => row.hostPath },
    { title: 'ATTACHED', text: (row) => (row.state === DeviceState.DEVICE_STATE_ATTACHED ? timeAgo(row.attachedAt, now) : '') },
    { title: 'FORMAT', text: (row) => enumText(blockFormatToJSON(row.format), 'BLOCK_FORMAT_'), wide: true },
    { title: 'PCI', text: (row) => row.pciAddress, wide: true },
    { title: 'DETAIL', text: (row) => row.detail, wide: true },
  ];
}
