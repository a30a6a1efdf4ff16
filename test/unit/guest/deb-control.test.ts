import { describe, expect, it } from 'vitest';
import { parseDebRecords } from '../../../guest/builder/deb-control.ts';

const STANZA = `Package: linux-image-cloud-amd64
Version: 6.1.192-2
Architecture: amd64
Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), kmod, a:any | b
Description: meta
 Depends: not this one
Size: 1504
SHA256: ABCDEF`;

describe('parseDebRecords', () => {
  it('reads what a download needs, and the first of each alternative', () => {
    expect(parseDebRecords(STANZA)).toEqual([{
      package: 'linux-image-cloud-amd64', version: '6.1.192-2', architecture: 'amd64', size: 1504, sha256: 'abcdef',
      depends: ['linux-image-6.1.0-56-cloud-amd64', 'kmod', 'a'],
    }]);
  });

  it('reads several stanzas and leaves out one that could not be downloaded', () => {
    const local = 'Package: mine\nVersion: 1\nStatus: install ok installed';
    expect(parseDebRecords(`${STANZA}\n\n${local}\n\n${STANZA}\n`).map((record) => record.package)).toEqual(['linux-image-cloud-amd64', 'linux-image-cloud-amd64']);
  });
});
