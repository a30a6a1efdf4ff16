import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord, encodeRecord, LARGEST_RECORD_BYTES, RecordError } from '../../../src/store/records.ts';
import { fullRecord } from '../../fakes/full-record.ts';
import { containerRecord, sandboxRecord, sandboxSpec } from '../../fakes/records.ts';

const GOLDEN = new URL('../../golden/records/v1.json', import.meta.url);

function documentOf(record = fullRecord()): { format: string; version: number; sandbox: Record<string, unknown> } {
  return JSON.parse(Buffer.from(encodeRecord(record)).toString()) as { format: string; version: number; sandbox: Record<string, unknown> };
}

function bytesOf(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}

function problemOf(bytes: Uint8Array): RecordError {
  try {
    decodeRecord(bytes);
  } catch (error) {
    if (error instanceof RecordError) return error;
    throw error;
  }
  throw new Error('it was read');
}

describe('a record', () => {
  it('comes back as it was, with every optional part there', () => {
    expect(decodeRecord(encodeRecord(fullRecord()))).toEqual(fullRecord());
  });

  it('comes back as it was, with every optional part absent', () => {
    const bare = sandboxRecord({ containers: [containerRecord()] });
    expect(decodeRecord(encodeRecord(bare))).toEqual(bare);
  });

  it('keeps any text and any 64-bit number', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: 'binary' })), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (labels, offset) => {
        const record = sandboxRecord({ spec: sandboxSpec({ labels }), containers: [containerRecord({ logBase: { stdout: offset, stderr: offset } })] });
        expect(decodeRecord(encodeRecord(record))).toEqual(record);
      }),
      { numRuns: 50 },
    );
  }, 60_000);

  it('is frozen once read', () => {
    const read = decodeRecord(encodeRecord(fullRecord()));
    expect([Object.isFrozen(read), Object.isFrozen(read.spec), Object.isFrozen(read.containers), Object.isFrozen(read.containers[0]?.spec.env)]).toEqual([true, true, true, true]);
  });

  it('of version 1 as it was written first is still read', () => {
    expect(decodeRecord(readFileSync(GOLDEN))).toEqual(fullRecord());
  });

  it('of version 1 is still written the same way', () => {
    expect(JSON.parse(Buffer.from(encodeRecord(fullRecord())).toString())).toEqual(JSON.parse(readFileSync(GOLDEN, 'utf8')));
  });
});

describe('an unreadable record', () => {
  it.each([
    ['is no JSON', Buffer.from('{"format":'), /^no JSON: /],
    ['is no UTF-8', Buffer.from([0x22, 0xff, 0x22]), /^no JSON: /],
    ['is no object', bytesOf(null), /^no JSON object$/],
    ['is of another format', bytesOf({ format: 'x', version: 1 }), /^the format is not "vivarium.sandbox"$/],
    ['has no version', bytesOf({ format: 'vivarium.sandbox' }), /^it has no version$/],
    ['has no sandbox', bytesOf({ format: 'vivarium.sandbox', version: 1 }), /^record: expected an object, found missing$/],
    ['lacks a key', bytesOf({ ...documentOf(), sandbox: { ...documentOf().sandbox, epoch: undefined } }), /^epoch: expected a number, found missing$/],
    ['has an unknown key', bytesOf({ ...documentOf(), sandbox: { ...documentOf().sandbox, colour: 'red' } }), /^record: unknown key "colour"$/],
    ['has an unknown state', bytesOf({ ...documentOf(), sandbox: { ...documentOf().sandbox, state: 'asleep' } }), /^state: expected one of .*, found string "asleep"$/],
    ['has a wrong value deep inside', bytesOf({ ...documentOf(), sandbox: { ...documentOf().sandbox, resources: [{ kind: 'mount', name: 1, attributes: {} }] } }), /^resources\[0\]\.name: expected a string, found number 1$/],
    ['has a union of no known kind', bytesOf({ ...documentOf(), sandbox: { ...documentOf().sandbox, containers: [{ ...(documentOf().sandbox['containers'] as object[])[0], spec: { rootfs: { kind: 'tape' } } }] } }), /^containers\[0\]\.spec/],
  ])('that %s is told so', (_case, bytes, problem) => {
    expect(problemOf(bytes).message).toMatch(problem);
    expect(problemOf(bytes).fromTheFuture).toBe(false);
  });

  it('of a newer version is told apart, whatever is in it', () => {
    const problem = problemOf(bytesOf({ format: 'vivarium.sandbox', version: 2, sandbox: 'new' }));
    expect(problem.fromTheFuture).toBe(true);
    expect(problem.message).toMatch(/newer vivd/);
  });

  it('over the size cap is not parsed, and not written', () => {
    expect(problemOf(Buffer.alloc(LARGEST_RECORD_BYTES + 1)).message).toMatch(/at most 4194304/);
    expect(() => encodeRecord(sandboxRecord({ consoleTail: 'x'.repeat(LARGEST_RECORD_BYTES) }))).toThrow(RecordError);
  });

  it('of any bytes ends in a RecordError and nothing else', () => {
    fc.assert(fc.property(fc.oneof(fc.json().map((text) => Buffer.from(text)), fc.uint8Array()), (bytes) => {
      expect(problemOf(bytes)).toBeInstanceOf(RecordError);
    }));
  });
});
