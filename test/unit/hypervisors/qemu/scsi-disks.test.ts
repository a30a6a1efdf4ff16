import { beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { ScsiDisks, unitDevice, unitNode } from '../../../../src/hypervisors/qemu/scsi-disks.ts';
import { QmpCommandError } from '../../../../src/hypervisors/qmp/errors.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';

const DISK = { unit: 3, path: '/c/disk.img', readOnly: false };

let said: string[];
let answers: Record<string, () => unknown>;
let clock: ManualClock;
let disks: ScsiDisks;

function refuse(words: string): () => never {
  return () => { throw new DomainError('VMM_FAILED', words, { cause: new QmpCommandError('x', 'GenericError', words) }); };
}

beforeEach(() => {
  said = [];
  answers = { 'qom-list': () => [], 'query-named-block-nodes': () => [] };
  clock = new ManualClock();
  disks = new ScsiDisks({
    execute: async (command) => {
      said.push(command);
      return (answers[command] ?? ((): unknown => ({})))();
    },
    clock,
  });
});

describe('what QEMU is told of a disk on the controller', () => {
  it('names it by its number, and leaves the guest to see the errors of what it writes', () => {
    expect(unitNode(DISK)).toMatchObject({ 'driver': 'raw', 'node-name': 'unit3', 'read-only': false, 'cache': { 'no-flush': true }, 'discard': 'unmap', 'file': { filename: '/c/disk.img' } });
    expect(unitDevice(DISK)).toEqual({ driver: 'scsi-hd', id: 'unit3', bus: 'scsi0.0', 'scsi-id': 0, lun: 3, drive: 'unit3', werror: 'report', rerror: 'report' });
    expect(unitNode({ ...DISK, readOnly: true })).toMatchObject({ 'read-only': true, 'cache': { 'no-flush': false }, 'discard': 'ignore', 'file': { 'read-only': true } });
    expect(unitDevice({ ...DISK, readOnly: true })).not.toHaveProperty('werror');
  });
});

describe('a disk on the controller', () => {
  it('is added, and taken out, by two commands', async () => {
    await disks.add(DISK);
    await disks.remove(3);
    expect(said).toEqual(['blockdev-add', 'device_add', 'device_del', 'blockdev-del']);
  });

  it('that is there already is there', async () => {
    answers['blockdev-add'] = refuse("Duplicate nodes with node-name='unit3'");
    answers['device_add'] = refuse("Duplicate device ID 'unit3'");
    answers['query-named-block-nodes'] = () => [{ 'node-name': 'unit3', 'file': '/c/disk.img' }];
    answers['qom-list'] = () => [{ name: 'unit3', type: 'child<scsi-hd>' }];
    await disks.add(DISK);
  });

  it('takes the place of another that was left there', async () => {
    let left = true;
    answers['blockdev-add'] = () => (left ? refuse("Duplicate nodes with node-name='unit3'")() : {});
    answers['query-named-block-nodes'] = () => [{ 'node-name': 'unit3', 'file': '/old/disk.img' }];
    answers['blockdev-del'] = () => { left = false; };
    await disks.add(DISK);
    expect(said).toEqual(['blockdev-add', 'query-named-block-nodes', 'device_del', 'blockdev-del', 'blockdev-add', 'device_add']);
  });

  it('that can not be opened is refused with the words of QEMU', async () => {
    answers['blockdev-add'] = refuse('Could not open /c/disk.img');
    await expect(disks.add(DISK)).rejects.toMatchObject({ message: 'Could not open /c/disk.img' });
  });

  it('that is gone already is gone', async () => {
    answers['device_del'] = refuse("Device 'unit3' not found");
    answers['blockdev-del'] = refuse("Failed to find node with node-name='unit3'");
    await disks.remove(3);
  });

  it('is let go of by the VMM a moment later, or told of', async () => {
    answers['query-named-block-nodes'] = () => [{ 'node-name': 'unit3', 'file': '/c/disk.img' }];
    answers['blockdev-del'] = refuse('Node unit3 is in use');
    const removal = disks.remove(3);
    await settle();
    answers['blockdev-del'] = () => ({});
    await clock.advance(2);
    await removal;
    answers['blockdev-del'] = refuse('Node unit3 is in use');
    const stuck = disks.remove(3).catch((error: unknown) => error);
    for (let turn = 0; turn < 120; turn += 1) await clock.advance(50);
    await expect(stuck).resolves.toMatchObject({ message: 'Node unit3 is in use' });
  });
});
