import type {
  AttachDeviceRequest, AttachDeviceResponse, DetachDeviceRequest, DetachDeviceResponse, DeviceServiceImplementation, GetDeviceRequest, GetDeviceResponse,
  ListDevicesRequest, ListDevicesResponse,
} from '../../gen/vivarium/v1/device.ts';
import type { DeviceOperations } from '../services/facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { phasesToWire } from './convert-common.ts';
import { deviceToWire } from './convert-device.ts';
import { parseSandboxRef } from './validate-calls.ts';
import { parseAttachDevice, parseDetachDevice, parseDeviceRef } from './validate-device.ts';

/** vivarium.v1.DeviceService: parse, call, convert. */
export class DeviceService implements DeviceServiceImplementation<RequestContext> {
  readonly #devices: DeviceOperations;

  constructor(devices: DeviceOperations) {
    this.#devices = devices;
  }

  async attachDevice(request: AttachDeviceRequest, { signal, attempt }: ApiContext): Promise<AttachDeviceResponse> {
    const { ref, requestId, spec } = parseAttachDevice(request);
    const { device, phases } = await this.#devices.attach(ref, spec, { requestId, signal, attempt });
    return { device: deviceToWire(device.sandboxId, device.device), phases: phasesToWire(phases) };
  }

  async detachDevice(request: DetachDeviceRequest, { signal, attempt }: ApiContext): Promise<DetachDeviceResponse> {
    const { ref, requestId, deviceId } = parseDetachDevice(request);
    return { phases: phasesToWire(await this.#devices.detach(ref, deviceId, { force: request.force }, { requestId, signal, attempt })) };
  }

  async getDevice(request: GetDeviceRequest): Promise<GetDeviceResponse> {
    const { ref, deviceId } = parseDeviceRef(request);
    const { sandboxId, device } = this.#devices.get(ref, deviceId);
    return { device: deviceToWire(sandboxId, device) };
  }

  async listDevices(request: ListDevicesRequest): Promise<ListDevicesResponse> {
    const { devices, freeSlots } = this.#devices.list(parseSandboxRef(request));
    return { devices: devices.map(({ sandboxId, device }) => deviceToWire(sandboxId, device)), freeSlots };
  }
}
