import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/cli/client/address.ts';
import { UsageError } from '../../../src/cli/cli-error.ts';

test.each(['unix:/run/v.sock', 'unix:///run/v.sock', '/run/v.sock'])('%s is an address', (text) => {
  expect(parseAddress(text)).toEqual({ text: 'unix:/run/v.sock', target: 'unix:///run/v.sock', socketPath: '/run/v.sock' });
});

test('a loopback port is an address', () => {
  expect(parseAddress('tcp:127.0.0.1:900')).toEqual({ text: 'tcp:127.0.0.1:900', target: 'dns:127.0.0.1:900', socketPath: undefined });
  expect(parseAddress('tcp:[::1]:900').target).toBe('dns:[::1]:900');
});

test.each(['', 'tcp:localhost', 'tcp:x:port', 'unix:relative', 'localhost', 'unix:'])('"%s" is none', (text) => {
  expect(() => parseAddress(text)).toThrow(UsageError);
});

test('a path that does not fit a socket address is refused with its length', () => {
  expect(parseAddress(`/${'x'.repeat(106)}`).socketPath).toHaveLength(107);
  expect(() => parseAddress(`/${'x'.repeat(107)}`)).toThrow('the socket path is 108 bytes long, a Unix socket takes 107');
});
