import { describe, expect, it } from 'vitest';
import { sandboxToWire } from '../../../../src/daemon/api/convert-sandbox.ts';
import { SandboxEncoder } from '../../../../src/daemon/api/sandbox-encoding.ts';
import { GetSandboxResponse, ListSandboxesResponse } from '../../../../src/gen/vivarium/v1/sandbox.ts';
import { sandboxRecord } from '../../../fakes/records.ts';

const first = sandboxRecord();
const second = sandboxRecord({ id: '01a20000000000000000000000000002', name: 'second', consoleTail: 'x'.repeat(300) });

describe('the encoder of sandboxes', () => {
  it('writes what the generated encoder writes, the first time and again', () => {
    const encoder = new SandboxEncoder();
    const got = GetSandboxResponse.encode({ sandbox: sandboxToWire(first) }).finish();
    for (const nextPageToken of ['', second.id]) {
      const listed = ListSandboxesResponse.encode({ sandboxes: [first, second].map(sandboxToWire), nextPageToken }).finish();
      expect(Buffer.compare(encoder.one(first).bytes, got)).toBe(0);
      expect(Buffer.compare(encoder.list([first, second], nextPageToken).bytes, listed)).toBe(0);
    }
    expect(encoder.list([], '').bytes).toHaveLength(0);
  });

  it('encodes a record once, and the one that comes after it anew', () => {
    const encoder = new SandboxEncoder();
    expect(encoder.one(first).bytes).toBe(encoder.one(first).bytes);
    const later = { ...first, state: 'stopped' as const };
    expect(GetSandboxResponse.decode(encoder.one(later).bytes)).toEqual({ sandbox: sandboxToWire(later) });
  });
});
