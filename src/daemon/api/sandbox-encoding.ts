import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { SandboxRecord } from '../../core/model/record.ts';
import { Sandbox, SandboxServiceDefinition } from '../../gen/vivarium/v1/sandbox.ts';
import { sandboxToWire } from './convert-sandbox.ts';

/** Tags of proto/vivarium/v1/sandbox.proto: sandbox of GetSandboxResponse and sandboxes of ListSandboxesResponse, which are the same, and next_page_token. */
const TAGS = { sandbox: (1 << 3) | 2, nextPageToken: (2 << 3) | 2 } as const;

/** A message that is encoded already. */
export interface EncodedMessage {
  readonly bytes: Uint8Array;
}

const ENCODED = {
  encode: ({ bytes }: EncodedMessage) => ({ finish: (): Uint8Array => bytes }),
  decode: (bytes: Uint8Array): EncodedMessage => ({ bytes }),
};

/** SandboxService whose answers to Get and List are encoded by SandboxEncoder. */
export const ENCODED_SANDBOX_SERVICE = {
  ...SandboxServiceDefinition,
  methods: {
    ...SandboxServiceDefinition.methods,
    getSandbox: { ...SandboxServiceDefinition.methods.getSandbox, responseType: ENCODED },
    listSandboxes: { ...SandboxServiceDefinition.methods.listSandboxes, responseType: ENCODED },
  },
} as const;

/**
 * Sandboxes as bytes, each encoded once for as long as its record stays the same: records are never changed in place. Without it a list of hundreds
 * holds up every other call for milliseconds.
 */
export class SandboxEncoder {
  /** As field 1 of a message: tag, length, Sandbox. About 2.5 KB each; they go with their records. */
  readonly #fields = new WeakMap<SandboxRecord, Uint8Array>();

  /** A GetSandboxResponse. */
  one(record: SandboxRecord): EncodedMessage {
    return { bytes: this.#field(record) };
  }

  /** A ListSandboxesResponse. */
  list(records: readonly SandboxRecord[], nextPageToken: string): EncodedMessage {
    const fields = records.map((record) => this.#field(record));
    if (nextPageToken !== '') fields.push(new BinaryWriter().uint32(TAGS.nextPageToken).string(nextPageToken).finish());
    return { bytes: Buffer.concat(fields) };
  }

  #field(record: SandboxRecord): Uint8Array {
    const known = this.#fields.get(record);
    if (known !== undefined) return known;
    const field = new BinaryWriter().uint32(TAGS.sandbox).bytes(Sandbox.encode(sandboxToWire(record)).finish()).finish();
    this.#fields.set(record, field);
    return field;
  }
}
