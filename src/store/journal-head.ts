/** What is known of the numbers even when the journal's own end was lost with the host. */
export interface JournalHead {
  /** No number above this has ever been given out. */
  readonly reserved: bigint;
  /** The host's boot in which that was written. */
  readonly bootId: string;
}

export const HEAD_FILE = 'head.json';
const FORMAT = 'vivarium.events';
const VERSION = 1;

export function encodeHead(head: JournalHead): Uint8Array {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, reserved: String(head.reserved), bootId: head.bootId })}\n`);
}

/** Throws with a readable message. */
export function decodeHead(bytes: Uint8Array): JournalHead {
  const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  const fields = typeof document === 'object' && document !== null ? new Map<string, unknown>(Object.entries(document)) : new Map<string, unknown>();
  const version = fields.get('version');
  if (fields.get('format') !== FORMAT || typeof version !== 'number') throw new Error(`the journal's head is not "${FORMAT}"`);
  if (version > VERSION) throw new Error(`version ${version} was written by a newer vivd; this one reads up to ${VERSION}`);
  const [reserved, bootId] = [fields.get('reserved'), fields.get('bootId')];
  if (typeof reserved !== 'string' || !/^\d{1,20}$/.test(reserved) || typeof bootId !== 'string') throw new Error("the journal's head lacks its numbers");
  return { reserved: BigInt(reserved), bootId };
}
