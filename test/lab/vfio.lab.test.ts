import { beforeAll, describe, expect, it } from 'vitest';
import { inTheLab, type LabReport } from './in-the-lab.ts';

/** PCI devices of a host with an IOMMU: a disk and a NIC, passed on to a real VM. */
describe('a PCI device of the host', () => {
  let lab: LabReport;

  beforeAll(async () => { lab = await inTheLab('vfio.sh'); });

  it('is known to the doctor, with its group', () => {
    expect(lab.facts('drivers', 'doctor'), lab.text).toEqual(['virtio-pci virtio-pci', 'true true true']);
  });

  it('that can not be passed on is refused in words, and stays as it is', () => {
    expect(lab.facts('missing', 'bridge'), lab.text).toEqual(['invalid request: device.vfio.device: there is no PCI device 0000:7f:00.0', '0000:00:00.0 is a bridge: it is the way to other devices and is not passed on']);
    expect(lab.fact('iommufd')).toContain('needs a newer QEMU');
    expect(lab.fact('mounted')).toMatch(new RegExp(`^the host uses ${lab.fact('disk')}: /dev/vd[a-z] is mounted on /mnt$`));
  });

  it('goes into a VM that runs: a disk is read there, and a NIC has its address', () => {
    expect(lab.facts('create', 'attach_disk', 'attach_nic', 'taken'), lab.text).toEqual(['0', '/dev/vda', 'eth0', 'vfio-pci vfio-pci']);
    expect(lab.facts('read', 'nic_mac'), lab.text).toEqual(['written by the host', '52:54:00:12:34:56']);
    expect(lab.fact('other')).toBe(`/dev/vfio/${lab.fact('group')} is device disk of sandbox box`);
    expect(lab.fact('audit'), lab.text).toBe('0');
  });

  it('comes out again, and the host has it with its driver', () => {
    expect(lab.facts('detach', 'disk_back'), lab.text).toEqual(['0', 'virtio-pci 1']);
  });

  it('comes with a container that asks for it, its node too, and goes with it', () => {
    expect(lab.facts('container', 'container_back'), lab.text).toEqual(['written by the host', 'virtio-pci']);
  });

  it('is given back to its driver after kill -9 of the daemon and of the VMM', () => {
    expect(lab.facts('killed', 'kept', 'audit_after', 'marks'), lab.text).toEqual(['virtio-pci virtio-pci', 'nic disk', '0', '0']);
  });
});
