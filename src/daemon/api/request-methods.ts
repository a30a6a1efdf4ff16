import { createHash } from 'node:crypto';
import { ContainerServiceDefinition } from '../../gen/vivarium/v1/container.ts';
import { DeviceServiceDefinition } from '../../gen/vivarium/v1/device.ts';
import { GuestServiceDefinition } from '../../gen/vivarium/v1/guest.ts';
import { HostServiceDefinition } from '../../gen/vivarium/v1/host.ts';
import { ImageServiceDefinition } from '../../gen/vivarium/v1/image.ts';
import { SandboxServiceDefinition } from '../../gen/vivarium/v1/sandbox.ts';
import { VolumeServiceDefinition } from '../../gen/vivarium/v1/volume.ts';
import type { Unfinished } from '../services/request-book.ts';

/** A generated message, as far as its type is of no matter. */
export interface MessageType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  fromPartial(partial: object): unknown;
}

export interface RequestMethod {
  /** What a request is about: something new, or what one of its fields names. */
  readonly subject: 'new-sandbox' | 'new-container' | 'new-exec' | 'sandbox' | 'container' | 'none';
  readonly unfinished: Unfinished;
  /** It wants its subject ended or away: sent again, that it is gone counts as done. */
  readonly goneIsDone: boolean;
}

const AGAIN = { unfinished: 'again', goneIsDone: false } as const;
const GONE = { unfinished: 'again', goneIsDone: true } as const;

/**
 * Every method whose request has a request_id, and what a request means that began and whose end is not known. All but three reach a state, so
 * they are carried out again and find it reached. A signal reaches none: whether it was sent can't be seen afterwards.
 */
export const REQUEST_METHODS: Readonly<Record<string, RequestMethod>> = {
  '/vivarium.v1.SandboxService/CreateSandbox': { subject: 'new-sandbox', unfinished: 'look-up', goneIsDone: false },
  '/vivarium.v1.SandboxService/StartSandbox': { subject: 'sandbox', ...AGAIN },
  '/vivarium.v1.SandboxService/StopSandbox': { subject: 'sandbox', ...GONE },
  '/vivarium.v1.SandboxService/DeleteSandbox': { subject: 'sandbox', ...GONE },
  '/vivarium.v1.SandboxService/PauseSandbox': { subject: 'sandbox', ...AGAIN },
  '/vivarium.v1.SandboxService/ResumeSandbox': { subject: 'sandbox', ...AGAIN },
  '/vivarium.v1.SandboxService/UpdateSandbox': { subject: 'sandbox', ...AGAIN },
  '/vivarium.v1.ContainerService/CreateContainer': { subject: 'new-container', unfinished: 'look-up', goneIsDone: false },
  '/vivarium.v1.ContainerService/StartContainer': { subject: 'container', ...AGAIN },
  '/vivarium.v1.ContainerService/StopContainer': { subject: 'container', ...GONE },
  '/vivarium.v1.ContainerService/KillContainer': { subject: 'container', unfinished: 'unknown', goneIsDone: false },
  '/vivarium.v1.ContainerService/DeleteContainer': { subject: 'container', ...GONE },
  '/vivarium.v1.ContainerService/PauseContainer': { subject: 'container', ...AGAIN },
  '/vivarium.v1.ContainerService/ResumeContainer': { subject: 'container', ...AGAIN },
  '/vivarium.v1.DeviceService/AttachDevice': { subject: 'sandbox', ...AGAIN },
  '/vivarium.v1.DeviceService/DetachDevice': { subject: 'sandbox', ...GONE },
  // Their first message has the id (open-stream.ts).
  '/vivarium.v1.ContainerService/Exec': { subject: 'new-exec', ...AGAIN },
  '/vivarium.v1.ContainerService/Attach': { subject: 'container', ...AGAIN },
  // What was removed is not found again.
  '/vivarium.v1.HostService/Audit': { subject: 'none', ...AGAIN },
  // The builder finds that nothing is left to do.
  '/vivarium.v1.GuestService/BuildGuest': { subject: 'none', ...AGAIN },
  // What was fetched and unpacked is found, and what was removed is gone.
  '/vivarium.v1.ImageService/PullImage': { subject: 'none', ...AGAIN },
  '/vivarium.v1.ImageService/ImportImage': { subject: 'none', ...AGAIN },
  '/vivarium.v1.ImageService/RemoveImage': { subject: 'none', ...AGAIN },
  '/vivarium.v1.ImageService/PruneImages': { subject: 'none', ...AGAIN },
  // What was made is found by its name, what was removed is gone, and what has grown is as large as that.
  '/vivarium.v1.VolumeService/CreateVolume': { subject: 'none', ...AGAIN },
  '/vivarium.v1.VolumeService/RemoveVolume': { subject: 'none', ...AGAIN },
  '/vivarium.v1.VolumeService/ResizeVolume': { subject: 'none', ...AGAIN },
  '/vivarium.v1.VolumeService/PruneVolumes': { subject: 'none', ...AGAIN },
};

interface Messages {
  readonly request: MessageType;
  readonly response: MessageType;
}

interface ServiceShape {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, { readonly name: string; readonly requestType: MessageType; readonly responseType: MessageType }>>;
}

const SERVICES: readonly ServiceShape[] = [
  SandboxServiceDefinition, ContainerServiceDefinition, DeviceServiceDefinition, GuestServiceDefinition, HostServiceDefinition, ImageServiceDefinition, VolumeServiceDefinition,
];
const MESSAGES: ReadonlyMap<string, Messages> = new Map(SERVICES.flatMap(({ fullName, methods }) =>
  Object.values(methods).map(({ name, requestType, responseType }) => [`/${fullName}/${name}`, { request: requestType, response: responseType }] as const)));

/** The messages of a method with a request_id. */
export function messagesOf(path: string): Messages {
  const messages = MESSAGES.get(path);
  if (messages === undefined) throw new Error(`no messages of ${path}`);
  return messages;
}

/** SHA-256 of a request without its id, in hex. The same for every order in which a client may send the entries of a map. */
export function digestOf(type: MessageType, request: object): string {
  return createHash('sha256').update(type.encode({ ...(ordered(request) as object), requestId: '' }).finish()).digest('hex');
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isPlain(value)) return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(sorted.map(([key, inner]) => [key, ordered(inner)]));
}

/** A message or a map, and no Date and no bytes. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
