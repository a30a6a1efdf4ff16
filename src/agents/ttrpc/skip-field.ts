import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { WireType } from '@bufbuild/protobuf/wire';

const WIRE_TYPES = [WireType.Varint, WireType.Bit64, WireType.LengthDelimited, WireType.StartGroup, WireType.EndGroup, WireType.Bit32];

/** Steps over a field that this side does not know. Throws on a wire type that does not exist. */
export function skipField(reader: BinaryReader, tag: number): void {
  const type = WIRE_TYPES[tag & 7];
  if (type === undefined) throw new RangeError(`wire type ${tag & 7}`);
  reader.skip(type, tag >>> 3);
}
