const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;

/** `0000:01:00.0` of that or of `01:00.0`; undefined for what is neither. */
export function parsePciAddress(text: string): string | undefined {
  const [whole, domain = '0000', bus = '', slot = '', part = ''] = ADDRESS.exec(text) ?? [];
  return whole === undefined ? undefined : `${domain}:${bus}:${slot}.${part}`.toLowerCase();
}

/** Where the kernel shows it, whatever bus it is on. */
export function pciDirectory(address: string): string {
  return `/sys/bus/pci/devices/${address}`;
}
