/** Names inside the VMM are made of the port alone: they are found again without a record, and block nodes have room for 31 characters only. */
const DEVICE = 'dev';
const NODE = 'disk';

export function deviceId(slot: number): string {
  return `${DEVICE}${slot}`;
}

/** Of a function of the device in a port; function 0 stands for all of them. */
export function functionId(slot: number, part: number): string {
  return part === 0 ? deviceId(slot) : `${deviceId(slot)}f${part}`;
}

/** Of a disk's block node. */
export function nodeName(slot: number): string {
  return `${NODE}${slot}`;
}

/** Of the socket that a vhost-user device's back end listens at. */
export function chardevName(slot: number): string {
  return `chr${slot}`;
}

/** Of a network card's back end, and of its tap device. */
export function netdevName(slot: number): string {
  return `net${slot}`;
}

export function tapName(slot: number): string {
  return `tap${slot}`;
}

/** The port that a device's name says; undefined for names of others. */
export function slotOfDevice(id: string): number | undefined {
  return numberAfter(DEVICE, id);
}

export function slotOfNode(name: string): number | undefined {
  return numberAfter(NODE, name);
}

function numberAfter(prefix: string, text: string): number | undefined {
  const digits = text.startsWith(prefix) ? text.slice(prefix.length) : '';
  return /^\d{1,3}$/.test(digits) ? Number(digits) : undefined;
}
