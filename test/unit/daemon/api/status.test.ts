import fc from 'fast-check';
import { BadRequest, ErrorInfo, RichServerError } from 'nice-grpc-error-details';
import { Status } from 'nice-grpc-common';
import { describe, expect, it } from 'vitest';
import { DomainError, invalidRequest } from '../../../../src/core/model/errors.ts';
import type { ErrorReason } from '../../../../src/core/model/errors.ts';
import { asDomainError, STATUS_OF_REASON, toServerError } from '../../../../src/daemon/api/status.ts';
import { ErrorReason as WireReason } from '../../../../src/gen/vivarium/v1/error.ts';

const reasons = Object.keys(STATUS_OF_REASON) as ErrorReason[];

const rich = (error: DomainError): RichServerError => {
  const made = toServerError(error);
  if (!(made instanceof RichServerError)) throw new Error('no details');
  return made;
};

const infoOf = (error: DomainError): ErrorInfo => rich(error).extra.find((detail): detail is ErrorInfo => detail.$type === ErrorInfo.$type)!;

describe('reasons', () => {
  it('are those of the API, all of them', () => {
    const onWire = Object.keys(WireReason).filter((name) => name.startsWith('ERROR_REASON_') && name !== 'ERROR_REASON_UNSPECIFIED');
    expect(reasons.map((reason) => `ERROR_REASON_${reason}`).sort()).toEqual(onWire.sort());
  });

  it.each(reasons)('%s has a code that is an error, and ErrorInfo with the domain', (reason) => {
    const error = new DomainError(reason, 'words', { sandboxId: 'sb', containerId: 'ctr', remedy: 'do this', facts: { limit: '4' } });
    expect(rich(error).code).not.toBe(Status.OK);
    expect(rich(error).code).not.toBe(Status.UNKNOWN);
    expect(infoOf(error)).toMatchObject({ reason, domain: 'vivarium', metadata: { sandbox_id: 'sb', container_id: 'ctr', remedy: 'do this', limit: '4' } });
  });
});

describe('details', () => {
  it('lists every wrong field', () => {
    const extra = rich(invalidRequest([{ field: 'a', description: 'x' }, { field: 'b', description: 'y' }])).extra;
    const bad = extra.find((detail): detail is BadRequest => detail.$type === BadRequest.$type)!;
    expect(bad.fieldViolations.map(({ field }) => field)).toEqual(['a', 'b']);
  });

  it('keeps the end of a long fact: the end of a console says why', () => {
    const { metadata } = infoOf(new DomainError('BOOT_TIMEOUT', 'no', { facts: { console_tail: `${'x'.repeat(9000)}the end` } }));
    expect(metadata['console_tail']).toMatch(/^…x+the end$/);
  });

  it('stays below what a gRPC client takes as trailers, whatever the error holds', () => {
    const text = (most: number): fc.Arbitrary<string> => fc.tuple(fc.constantFrom('x', 'é', '€', '😀', '\0', 'a😀', '\uFFFD'), fc.nat(most)).map(([part, times]) => part.repeat(times));
    const facts = fc.dictionary(text(20), text(2000), { maxKeys: 20 });
    const fields = fc.array(fc.record({ field: text(80), description: text(200) }), { maxLength: 70 });
    fc.assert(fc.property(text(2000), facts, fields, (message, someFacts, someFields) => {
      const made = rich(new DomainError('INVALID_REQUEST', message, { facts: someFacts, fields: someFields }));
      const bytes = made.extra.reduce((sum, detail) => sum + (detail.$type === ErrorInfo.$type ? ErrorInfo.encode(detail) : BadRequest.encode(detail as BadRequest)).finish().length, 0);
      expect(Buffer.byteLength(made.details)).toBeLessThanOrEqual(600);
      expect(bytes).toBeLessThan(4200);
    }), { numRuns: 60 });
  });
});

describe('unknown errors', () => {
  it('become INTERNAL with an id, and their words stay here', () => {
    const error = asDomainError(new Error('secret path /x'), 'abc123');
    expect(error.reason).toBe('INTERNAL');
    expect(error.message).toBe('internal error abc123');
    expect(infoOf(error).metadata['error_id']).toBe('abc123');
    expect(error.details.cause).toBeInstanceOf(Error);
  });

  it('become CANCELLED when the caller went away', () => {
    expect(asDomainError(new DOMException('This operation was aborted', 'AbortError'), 'x').reason).toBe('CANCELLED');
  });
});
