import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve as absolute } from 'node:path';
import { expect, it } from 'vitest';
import type { VmEvent } from '../../src/core/ports/hypervisor.ts';
import { realDriver, vmSpec } from './qemu-parts.ts';

const BUSYBOX = '/bin/busybox';
const SCRIPT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc
/bin/busybox mount -t proc proc /proc
for m in virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio virtio_pci pvpanic pvpanic_pci; do /bin/busybox insmod /lib/vivarium/modules/$m.ko; done
echo c > /proc/sysrq-trigger
`;

/** A further archive (newc, the kernel's initramfs buffer format) that may stand behind another: its files come on top. */
function cpio(entries: readonly { readonly name: string; readonly mode: number; readonly data: Buffer }[]): Buffer {
  const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  const one = (name: string, mode: number, data: Buffer, index: number): Buffer => {
    const fields = [index, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    return Buffer.concat([pad(Buffer.from(`070701${fields.map(hex).join('')}${name}\0`)), pad(data)]);
  };
  return Buffer.concat([...entries.map(({ name, mode, data }, index) => one(name, mode, data, index + 1)), one('TRAILER!!!', 0, Buffer.alloc(0), 0)]);
}

it('a real kernel that panics stops its VM through pvpanic, with its words on the console', async () => {
  const guest = absolute(process.env['VIVARIUM_GUEST_DIR'] ?? 'build/guest', 'default');
  if (!existsSync(guest)) throw new Error(`no guest in ${guest}: build it with "make guest"`);
  const directory = await mkdtemp('/tmp/vv-pan-');
  try {
    const runDir = join(directory, 'run');
    await mkdir(runDir);
    const initrd = join(directory, 'initrd');
    const more = cpio([
      { name: 'bin', mode: 0o040755, data: Buffer.alloc(0) },
      { name: 'bin/busybox', mode: 0o100755, data: await readFile(BUSYBOX) },
      { name: 'panic', mode: 0o100755, data: Buffer.from(SCRIPT) },
    ]);
    await writeFile(initrd, Buffer.concat([await readFile(join(guest, 'initramfs.cpio')), more]));
    const { driver } = realDriver(join(directory, 'cache'));
    const session = await driver.launch(vmSpec(runDir, { kernel: join(guest, 'vmlinux'), initrd, memoryBytes: 256 * 1024 * 1024, kernelParams: 'rdinit=/panic' }), {});
    const events: VmEvent['kind'][] = [];
    await new Promise<void>((resolve) => {
      session.onEvent(({ kind }) => {
        events.push(kind);
        resolve();
      });
    });
    expect(events).toEqual(['guest-panic']);
    await expect(session.status()).resolves.toBe('guest-panicked');
    await expect.poll(async () => await session.consoleTail(16_384)).toContain('Kernel panic - not syncing: sysrq triggered crash');
    await expect(session.kill()).resolves.toMatchObject({ signal: 9 });
    expect(events).toEqual(['guest-panic']);
    session.release();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
