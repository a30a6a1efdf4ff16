import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { isLoopback, parseListenAddress } from '../../../../src/daemon/api/listen-address.ts';

describe('listen address', () => {
  it.each([
    ['unix:/run/vivarium/vivd.sock', { kind: 'unix', path: '/run/vivarium/vivd.sock' }],
    ['unix:///run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
    ['tcp:127.0.0.1:0', { kind: 'tcp', host: '127.0.0.1', port: 0 }],
    ['tcp:[::1]:7000', { kind: 'tcp', host: '::1', port: 7000 }],
  ])('takes %s', (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
  });

  it.each(['tcp:0.0.0.0:1', 'tcp:localhost:1', 'tcp:10.0.0.1:1', 'tcp:[::]:1', 'tcp:127.0.0.1:70000', 'unix:relative', '/run/x', `unix:/${'x'.repeat(106)}`])('refuses %s', (text) => {
    expect(() => parseListenAddress(text)).toThrow(DomainError);
  });

  it('knows a loopback address by its digits, not by a name', () => {
    expect(isLoopback('127.8.8.8')).toBe(true);
    expect(isLoopback('localhost')).toBe(false);
    expect(isLoopback('127.0.0.1.example')).toBe(false);
  });
});
