import { expect, test } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { guestDeath } from '../../../../src/daemon/services/guest-death.ts';

const MIB = 1024 * 1024;
const noticed = new DomainError('HOST_RESOURCE', 'virtiofsd ended: its process ended with code 0');

test.each([
  ['the kernel\'s sentence', '[ 1.7] Kernel panic - not syncing: System is deadlocked on memory\r\n'],
  ['only its call trace', '[ 2.5]  panic+0x118/0x2f4\n[ 2.5]  out_of_memory.cold+0x2f/0x7e\n'],
  ['an initramfs that does not fit', 'Initramfs unpacking failed: write error\nKernel panic - not syncing: No working init found.\n'],
])('a guest without memory is told as that, by %s', (_what, console) => {
  const death = guestDeath(noticed, console, 64 * MIB);
  expect(death?.message).toBe('the guest ran out of memory: its VM has 64 MiB (virtiofsd ended: its process ended with code 0)');
  expect(death?.remedy).toMatch(/--set memory=/);
});

test('another panic is told with the kernel\'s words', () => {
  expect(guestDeath(noticed, 'x\n[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[ 1.0] CPU: 0\n', MIB))
    .toEqual({ message: 'the guest\'s kernel panicked: VFS: Unable to mount root fs (virtiofsd ended: its process ended with code 0)', remedy: undefined });
});

test('a console that shows no death explains none', () => {
  expect(guestDeath(noticed, 'Linux version 6.1\nmemory: 200 MiB\n', MIB)).toBeUndefined();
});
