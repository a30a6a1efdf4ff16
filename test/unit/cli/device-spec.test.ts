import { describe, expect, it } from 'vitest';
import { parseDevice } from '../../../src/cli/requests/device-spec.ts';
import { BlockAio, BlockCache, BlockFormat } from '../../../src/gen/vivarium/v1/device.ts';

const read = (text: string): unknown => parseDevice('d0', text, (path) => `/here/${path}`).kind?.value;

describe('a device on the command line', () => {
  it('is a disk by its path, with what is said of it', () => {
    expect(parseDevice('d0', 'block:a.img', (path) => `/here/${path}`)).toMatchObject({ id: 'd0', kind: { $case: 'block', value: { path: '/here/a.img', format: BlockFormat.BLOCK_FORMAT_UNSPECIFIED, readOnly: false } } });
    expect(read('block:a,,b:c.img,format=qcow2,ro,discard,serial=s-1,aio=io_uring,cache=direct')).toMatchObject({
      path: '/here/a,b:c.img', format: BlockFormat.BLOCK_FORMAT_QCOW2, readOnly: true, discard: true, serial: 's-1', aio: BlockAio.BLOCK_AIO_IO_URING, cache: BlockCache.BLOCK_CACHE_DIRECT,
    });
    expect(read('block:x,ro=false')).toMatchObject({ readOnly: false });
  });

  it.each([
    ['disk.img', 'is no device'],
    ['block:', 'is no device'],
    ['nic:tap0', 'is no device'],
    ['block:x,size=5', 'a block device has no "size"'],
    ['block:x,format=vmdk', 'format: there is no "vmdk"'],
    ['block:x,ro=maybe', 'ro: "maybe" is neither true nor false'],
  ])('%s is wrong usage', (text, words) => {
    expect(() => read(text)).toThrow(words);
  });
});
