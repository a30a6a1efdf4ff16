import { describe, expect, it } from 'vitest';
import { hostName, linkName, parseInstanceId, parseSandboxId, shortId } from '../../../src/core/model/ids.ts';
import { hostPrefix, linkPrefix, ownerInName } from '../../../src/host/ledger/named-owner.ts';
import { parseUnixSockets } from '../../../src/host/ledger/socket-ledger.ts';

const INSTANCE = parseInstanceId('ab12')!;
const ID = parseSandboxId('0190f4a8b7c27def8a12345678abcdef')!;

describe('the table of unix sockets', () => {
  const TABLE = [
    'Num       RefCount Protocol Flags    Type St Inode Path',
    '0000000000000000: 00000002 00000000 00010000 0001 01  1234 /run/v/s/5678abcdef/qmp.sock',
    '0000000000000000: 00000003 00000000 00000000 0001 03 987654 /run/v/s/5678abcdef/qmp.sock',
    '0000000000000000: 00000002 00000000 00010000 0001 01  1235 /run/v/s/5678abcdef/with a blank /run/v/s/x',
    '0000000000000000: 00000002 00000000 00010000 0001 01  1236 @/run/v/s/abstract',
    '0000000000000000: 00000002 00000000 00010000 0001 01  1237 /tmp/a /run/v/s/not-ours',
    '0000000000000000: 00000002 00000000 00010000 0001 01  1238 /run/v/vivd.sock',
    '0000000000000000: 00000002 00000000 00000000 0002 01  1239',
    '',
  ].join('\n');

  it('gives what lies below the directory, once a socket', () => {
    expect(parseUnixSockets(TABLE, '/run/v/s')).toEqual(['/run/v/s/5678abcdef/qmp.sock', '/run/v/s/5678abcdef/qmp.sock', '/run/v/s/5678abcdef/with a blank /run/v/s/x']);
  });
});

describe('names of the host', () => {
  it('tell their owner', () => {
    expect(ownerInName(linkName(INSTANCE, ID), linkPrefix(INSTANCE))).toBe(shortId(ID));
    expect(ownerInName(hostName(INSTANCE, ID), hostPrefix(INSTANCE))).toBe(shortId(ID));
  });

  it.each(['eth0', 'vab125678abcde', 'vab125678abcdef0', 'vab135678abcdef', 'vab12WXYZabcdef', 'viv-ab12-5678abcdef'])('%s is no link of ours', (name) => {
    expect(ownerInName(name, linkPrefix(INSTANCE))).toBeUndefined();
  });
});
