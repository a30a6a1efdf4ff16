import { describe, expect, it } from 'vitest';
import type { VmSpec } from '../../src/core/ports/hypervisor.ts';
import { qemuArgv } from '../../src/hypervisors/qemu/argv.ts';

const MIB = 1024 * 1024;

const plain: VmSpec = {
  name: 'viv-ab12-0123456789',
  uuid: '01934567-89ab-7cde-8f01-23456789abcd',
  runDir: '/run/vivarium/s/0123456789',
  vmmPath: '/usr/bin/qemu-system-x86_64',
  accelerator: 'auto',
  machine: 'q35',
  cpuModel: '',
  cpus: 1,
  maxCpus: 4,
  memoryBytes: 256 * MIB,
  hugepages: false,
  pciePorts: 0,
  kernel: '/var/lib/vivarium/guest/vmlinux',
  initrd: '/var/lib/vivarium/guest/initramfs.cpio',
  image: '',
  kernelParams: '',
  sharedFs: undefined,
  diskController: false,
  agentPort: true,
  bootTimeoutMs: 30_000,
};
const fs = { socketPath: '/run/vivarium/s/0123456789/fs.sock', tag: 'vivarium' };

/** One argument a line. The files are the truth that a reader checks a change of the command line against; `vitest -u` writes them anew. */
describe('the command line of QEMU', () => {
  it.each([
    ['q35-tcg', { ...plain, sharedFs: fs }, 'tcg'],
    ['q35-kvm', { ...plain, sharedFs: fs }, 'kvm'],
    ['q35-without-shared-fs', plain, 'tcg'],
    ['q35-image', { ...plain, initrd: '', image: '/images/a,b.img', kernelParams: ' root=/dev/vda ro ' }, 'tcg'],
    ['q35-hugepages', { ...plain, hugepages: true, sharedFs: fs, memoryBytes: 512 * MIB }, 'kvm'],
    ['q35-ports', { ...plain, pciePorts: 10 }, 'tcg'],
    ['q35-disks', { ...plain, diskController: true, pciePorts: 1 }, 'tcg'],
    ['q35-no-agent', { ...plain, agentPort: false, cpus: 4, cpuModel: 'Skylake-Client' }, 'tcg'],
    ['microvm', { ...plain, machine: 'microvm', sharedFs: fs, image: '/images/root.img' }, 'tcg'],
  ] as const)('%s', async (name, spec, accelerator) => {
    await expect(`${qemuArgv(spec, accelerator).join('\n')}\n`).toMatchFileSnapshot(`./argv/${name}.txt`);
  });

  it('doubles commas in values, so that a path adds no option', () => {
    const argv = qemuArgv({ ...plain, name: 'a,b=c', runDir: '/run/x,readonly=on', sharedFs: { socketPath: '/s,1', tag: 't,2' } }, 'tcg').join('\n');
    expect(argv).toContain('a,,b=c,debug-threads=on');
    expect(argv).toContain('path=/run/x,,readonly=on/qmp.sock,server=on');
    expect(argv).toContain('path=/s,,1\n');
    expect(argv).toContain('tag=t,,2,queue-size');
  });

  it('puts the profile\'s kernel parameters last', () => {
    const argv = qemuArgv({ ...plain, kernelParams: 'panic=9 debug' }, 'tcg');
    expect(argv[argv.indexOf('-append') + 1]).toMatch(/^console=ttyS0 quiet .* panic=9 debug$/);
  });

  it('is the same for the same spec', () => {
    expect(qemuArgv(plain, 'tcg')).toEqual(qemuArgv({ ...plain }, 'tcg'));
  });
});
