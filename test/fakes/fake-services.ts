import type { ImageOperations } from '../../src/daemon/services/image-facade.ts';
import type { VolumeOperations } from '../../src/daemon/services/volume-facade.ts';
import type { ContainerOperations, DeviceOperations, EventOperations, GuestOperations, HostOperations, SandboxOperations, Services } from '../../src/daemon/services/facade.ts';

export interface ServicesScript {
  readonly sandboxes?: Partial<SandboxOperations>;
  readonly containers?: Partial<ContainerOperations>;
  readonly devices?: Partial<DeviceOperations>;
  readonly events?: Partial<EventOperations>;
  readonly host?: Partial<HostOperations>;
  readonly guests?: Partial<GuestOperations>;
  readonly images?: Partial<ImageOperations>;
  readonly volumes?: Partial<VolumeOperations>;
}

/** Services that do what the script says; a call that it does not mention fails by name. */
export function fakeServices(script: ServicesScript = {}): Services {
  return {
    sandboxes: scripted<SandboxOperations>('sandboxes', script.sandboxes ?? {}),
    containers: scripted<ContainerOperations>('containers', script.containers ?? {}),
    devices: scripted<DeviceOperations>('devices', script.devices ?? {}),
    events: scripted<EventOperations>('events', script.events ?? {}),
    host: scripted<HostOperations>('host', script.host ?? {}),
    guests: scripted<GuestOperations>('guests', script.guests ?? {}),
    images: scripted<ImageOperations>('images', script.images ?? {}),
    volumes: scripted<VolumeOperations>('volumes', script.volumes ?? {}),
  };
}

function scripted<Operations extends object>(name: string, script: Partial<Operations>): Operations {
  const unscripted = (call: string) => (): never => {
    throw new Error(`${name}.${call} is not in the script`);
  };
  return new Proxy(script, { get: (target, call) => Reflect.get(target, call) ?? unscripted(String(call)) }) as Operations;
}
