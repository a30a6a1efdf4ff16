import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { described } from '../../../../src/daemon/api/library-errors.ts';

const details = (sent: ReturnType<typeof described>): number => sent.metadata?.get('grpc-status-details-bin').length ?? 0;

describe('a status on its way out', () => {
  it.each([
    ['too large', { code: status.RESOURCE_EXHAUSTED, details: 'Received message larger than max' }, status.RESOURCE_EXHAUSTED],
    ['late', { code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded', metadata: null }, status.DEADLINE_EXCEEDED],
    ['given up', { code: status.CANCELLED, details: 'The operation was cancelled' }, status.CANCELLED],
    ['packed in an unknown way', { code: status.UNIMPLEMENTED, details: 'unsupported encoding "br"' }, status.UNIMPLEMENTED],
    ['unreadable', { code: status.INTERNAL, details: 'Error deserializing request: index out of range' }, status.INVALID_ARGUMENT],
  ])('of the library, %s, gets details', (_name, sent, code) => {
    expect(described(sent)).toMatchObject({ code, details: sent.details });
    expect(details(described(sent))).toBe(1);
  });

  it.each([
    ['all is well', { code: status.OK, details: '' }],
    ['it is another protocol\'s', { code: status.NOT_FOUND, details: 'unknown service' }],
  ])('is left as it is when %s', (_name, sent) => {
    expect(described(sent)).toBe(sent);
  });

  it('keeps the details that it has', () => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from([1]));
    const sent = { code: status.RESOURCE_EXHAUSTED, details: 'no room', metadata };
    expect(described(sent)).toBe(sent);
  });
});
