import { beforeAll, describe, expect, it } from 'vitest';
import { inTheLab, type LabReport } from './in-the-lab.ts';

let lab: LabReport;

beforeAll(async () => { lab = await inTheLab('machine.sh'); });

describe('the lab', () => {
  it('has what hosts of VMs have', () => {
    expect(lab.facts('modules', 'device_kvm', 'device_vfio/vfio', 'device_vhost-vsock', 'device_vhost-net')).toEqual(['0', 'there', 'there', 'there', 'there']);
  });

  it('has an IOMMU, and a NIC and a disk that are alone in their groups', () => {
    expect(lab.number('iommu_groups')).toBeGreaterThanOrEqual(4);
    for (const device of ['nic', 'disk']) expect(lab.fact(device)).toMatch(/^(0000:00:[0-9a-f]{2}\.0) \1$/);
  });

  it('lets vfio-pci take the NIC and give it back', () => {
    expect(lab.facts('nic_driver', 'nic_taken', 'nic_back')).toEqual(['virtio-pci', 'vfio-pci 1', 'virtio-pci']);
  });
});

describe('a real VM with KVM under systemd', () => {
  it('is accelerated, as the doctor and the reply say', () => {
    expect(lab.fact('doctor'), lab.text).toContain('CHECK_STATUS_OK');
    expect(lab.facts('run', 'start'), lab.text).toEqual(['0', '0']);
    expect(lab.fact('mode')).toContain('"accelerator":"kvm"');
    expect(lab.number('kvm_held'), 'its VMM holds /dev/kvm').toBeGreaterThan(0);
  });

  it('does not notice a restart of the service', () => {
    expect(lab.fact('boot')).toMatch(/^[0-9a-f-]{36}$/);
    expect(lab.facts('restart', 'restart_boot', 'restart_vmm'), lab.text).toEqual(['0', lab.fact('boot'), `${lab.fact('vmm')} changed`]);
  });

  it('does not notice kill -9 of the daemon', () => {
    expect(lab.facts('kill', 'kill_boot', 'kill_vmm'), lab.text).toEqual(['0', lab.fact('boot'), lab.fact('vmm')]);
  });

  it('has counted on, with no number twice and none left out', () => {
    expect(lab.number('lines')).toBeGreaterThan(10);
    expect(lab.facts('counted', 'audit'), lab.text).toEqual(['whole', '0']);
  });

  it('is gone without a trace once it is deleted', () => {
    expect(lab.facts('rm', 'vmm_gone', 'audit_after'), lab.text).toEqual(['0', '0', '0']);
  });
});
