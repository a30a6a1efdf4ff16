import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { expect, it } from 'vitest';
import { ExecResponse } from '../../../src/gen/vivarium/v1/container.ts';
import { decodeStreamMessage } from '../../../src/cli/stream/output-decoding.ts';

const decode = decodeStreamMessage(ExecResponse);
const DATA = Buffer.from('out');

function encoded(message: ExecResponse['message']): Uint8Array {
  return ExecResponse.encode({ message }).finish();
}

it.each(['stdout', 'stderr'] as const)('reads %s as a view of what came', ($case) => {
  const bytes = encoded({ $case, value: { offset: 1n << 40n, data: DATA } });
  const { message } = decode(bytes);
  expect(message).toEqual({ $case, value: { offset: 1n << 40n, data: DATA } });
  if (message?.$case === $case) expect(message.value.data.buffer).toBe(bytes.buffer);
});

it('reads empty output and offset 0', () => {
  expect(decode(encoded({ $case: 'stdout', value: { offset: 0n, data: Buffer.alloc(0) } })).message).toEqual({ $case: 'stdout', value: { offset: 0n, data: Buffer.alloc(0) } });
});

it('leaves every other message to the generated decoder', () => {
  expect(decode(encoded({ $case: 'stdinAck', value: { offset: 5n } })).message).toEqual({ $case: 'stdinAck', value: { offset: 5n } });
  expect(decode(new Uint8Array()).message).toBeUndefined();
});

it('steps over fields that a later version may add', () => {
  const data = new BinaryWriter().uint32((1 << 3) | 0).uint64(3n).uint32((2 << 3) | 2).bytes(DATA).uint32((9 << 3) | 0).uint32(1).finish();
  const bytes = new BinaryWriter().uint32((2 << 3) | 2).bytes(data).uint32((15 << 3) | 0).uint32(1).finish();
  expect(decode(bytes).message).toEqual({ $case: 'stdout', value: { offset: 3n, data: DATA } });
});

it('refuses what is cut off', () => {
  expect(() => decode(encoded({ $case: 'stdout', value: { offset: 1n, data: DATA } }).subarray(0, 6))).toThrow();
});
