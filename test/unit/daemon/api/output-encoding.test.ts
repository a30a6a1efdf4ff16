import { expect, it } from 'vitest';
import { ExecResponse } from '../../../../src/gen/vivarium/v1/container.ts';
import { encodeStreamMessage } from '../../../../src/daemon/api/output-encoding.ts';

const encode = encodeStreamMessage(ExecResponse);

it.each([
  ['stdout from the start', 0n, 1], ['a long varint', 1n << 40n, 300], ['nothing', 0n, 0], ['nothing further on', 7n, 0], ['the largest message', 2n ** 63n, 256 * 1024],
] as const)('writes what the generated encoder writes: %s', (_name, offset, length) => {
  for (const $case of ['stdout', 'stderr'] as const) {
    const message: ExecResponse = { message: { $case, value: { offset, data: Buffer.alloc(length, 'x') } } };
    expect(Buffer.compare(encode(message).finish(), ExecResponse.encode(message).finish())).toBe(0);
  }
});

it('leaves every other message to the generated encoder', () => {
  const message: ExecResponse = { message: { $case: 'stdinAck', value: { offset: 5n } } };
  expect(encode(message).finish()).toEqual(ExecResponse.encode(message).finish());
  expect(encode({ message: undefined }).finish()).toHaveLength(0);
});
