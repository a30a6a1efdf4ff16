import { DeviceServiceDefinition } from '../../gen/vivarium/agent/v1/device.ts';
import { GuestServiceDefinition, StreamServiceDefinition } from '../../gen/vivarium/agent/v1/stream.ts';
import { method } from '../ttrpc/method.ts';

export const STREAM_SERVICE = StreamServiceDefinition.fullName;
export const GUEST_SERVICE = GuestServiceDefinition.fullName;

/** The unary methods that viv-agent has beside the kata protocol's. */
export const VIV = {
  ack: method(StreamServiceDefinition, StreamServiceDefinition.methods.ack),
  writeStdin: method(StreamServiceDefinition, StreamServiceDefinition.methods.writeStdin),
  info: method(GuestServiceDefinition, GuestServiceDefinition.methods.info),
  listProcesses: method(GuestServiceDefinition, GuestServiceDefinition.methods.listProcesses),
  awaitDevice: method(DeviceServiceDefinition, DeviceServiceDefinition.methods.awaitDevice),
  awaitFunction: method(DeviceServiceDefinition, DeviceServiceDefinition.methods.awaitFunction),
  releaseDevice: method(DeviceServiceDefinition, DeviceServiceDefinition.methods.releaseDevice),
  awaitGone: method(DeviceServiceDefinition, DeviceServiceDefinition.methods.awaitGone),
} as const;
