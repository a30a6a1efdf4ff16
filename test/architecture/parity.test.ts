import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { exists, hasProof, rowsOf, type Proof, type Row } from './parity-table.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** What virtcontainers does, a name each: `docs/parity.md` answers for every one of them. */
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  '1': [
    'Library entry points', 'Sandbox verbs', 'Container verbs', 'States', 'Transitions', 'Guards beside the table', 'Sandbox pause', 'Order of CreateSandbox', 'StopSandbox', 'Container stop', 'Signal semantics',
    'Process identity', 'Process I/O', 'Monitor', 'Stats', 'Update of resources', 'vCPU sizing', 'Memory sizing', 'When the VM is resized', 'After a hotplug', 'Static sizing', 'Sizing of the Rust runtime', 'vCPU pinning', 'Hooks',
  ],
  '2': [
    'Interface', 'Device kinds', 'Defaults', 'Guest root', 'QEMU launch shape', 'QMP socket', 'Memory backends', 'Machine types', 'Object ids', 'Kernel command line', 'QMP commands', 'QMP events', 'Check of the VM', 'Stop of the VM',
    'Bridge slots', 'Firmware variant', 'PCIe ports', 'Hotplug: block', 'Hotplug: CPU', 'Hotplug: memory', 'Hotplug: network and VFIO', 'Rejections', 'Cloud Hypervisor', 'Limits of Cloud Hypervisor', 'Firecracker', 'Limits of Firecracker',
    'Remote hypervisor', 'StratoVirt', 'QEMU of the Rust runtime', 'Dragonball', 'Other drivers of the Rust runtime',
  ],
  '3': [
    'Transports', 'Ports', 'Guest CID', 'Framing', 'Connection model', 'Time-outs', 'Order of bringing a sandbox up', 'Order of a container', 'Order of taking down', 'Fix-up of a clone', 'Other calls', 'Signals in the guest',
    'Concurrency of the agent', 'Storage drivers', 'Device types', 'PCI path format', 'Other address formats', 'Wait for uevents', 'Guest paths', 'Sanitising of the OCI spec', 'Network in the guest', 'Cgroups in the guest',
    'Kernel parameters of the agent', 'systemd in the guest', 'Inotify', 'Policy',
  ],
  '6': [
    'Host layout', 'virtiofsd', 'virtiofsd supervision', 'DAX', 'virtio-fs-nydus', '9p', 'shared_fs none', 'Mount filtering', 'Rootfs kinds', 'Direct volume', 'Direct volume resize', 'emptyDir memory', 'emptyDir disk',
    'emptyDir block modes', 'Sandbox bind mounts', 'Guest swap', 'fsGroup and watched files', 'Force guest pull',
  ],
};
/** Those still to come; a row can't be put off to another one. */
const LATER_ISSUES: readonly string[] = ['4', '5', '6', '7'];

const rows = rowsOf(readFileSync(join(REPOSITORY, 'docs/parity.md'), 'utf8'));

describe('docs/parity.md', () => {
  it.each(Object.entries(CAPABILITIES))('has each capability of section %s once', (section, names) => {
    const found = rows.filter((row) => row.section === section && !row.known).map((row) => row.capability);
    expect(found).toEqual(names);
  });

  it('says in each row what is here, with a proof of a known kind', () => {
    expect(rows.filter((row) => row.here === '' || row.proofs.length === 0).map(where)).toEqual([]);
    expect(rows.flatMap((row) => row.proofs.filter(({ kind }) => kind === 'unknown').map(({ text }) => `${where(row)}: ${text}`))).toEqual([]);
  });

  it('names tests that exist', () => {
    expect(rows.flatMap((row) => row.proofs.filter((proof) => !exists(REPOSITORY, proof)).map(({ text }) => `${where(row)}: ${text}`))).toEqual([]);
  });

  it('puts off only to issues that are to come', () => {
    expect(rows.flatMap((row) => row.proofs.filter((proof) => proof.kind === 'issue' && !LATER_ISSUES.includes(proof.name)).map(({ text }) => `${where(row)}: ${text}`))).toEqual([]);
  });

  it('counts what is neither there, refused, nor planned', () => {
    const missing = rows.flatMap((row) => row.proofs.filter(({ kind }) => kind === 'missing').map(({ text }) => `${where(row)}: ${text}`));
    console.log(`parity: ${rows.length} rows, ${missing.length} with something missing\n${missing.join('\n')}`);
    const says = /(\d+) of them say `missing`/.exec(readFileSync(join(REPOSITORY, 'docs/parity.md'), 'utf8'));
    expect(says?.[1]).toBe(String(missing.length));
  });
});

describe('this test', () => {
  const proof = (cell: string): Proof => rowsOf(`## 1. X\n| a | b | ${cell} |\n`)[0]!.proofs[0]!;

  it('takes no proof that is not there', () => {
    for (const cell of ['test: test/none.test.ts › x', 'test: test/architecture/parity.test.ts › no such title', 'rust: crates/launcher/tests/life.rs › no_such_test', 'rust: crates/none.rs › x']) expect(exists(REPOSITORY, proof(cell)), cell).toBe(false);
    for (const cell of ['test: test/architecture/parity.test.ts › names tests that', 'rust: crates/launcher/tests/life.rs › what_stays_is_small']) expect(exists(REPOSITORY, proof(cell)), cell).toBe(true);
  });

  it('takes the words of a title only, not of a comment or a constant', () => {
    expect(exists(REPOSITORY, proof('test: test/architecture/parity.test.ts › LATER_ISSUES'))).toBe(false);
    expect(hasProof("it.each([\n  ['x'],\n])('a title after its cases', () => {})", { kind: 'test', file: '', name: 'after its cases', text: '' })).toBe(true);
    expect(hasProof("it.each([['x']])('a title on one line', () => {})", { kind: 'test', file: '', name: 'on one line', text: '' })).toBe(true);
    expect(hasProof("// it('was here')\n", { kind: 'test', file: '', name: 'was here', text: '' })).toBe(false);
  });

  it('takes no proof for what it does not say', () => {
    for (const cell of ['yes', 'refused:', 'issue: later', 'test: a.test.ts', 'missing: ']) expect(proof(cell).kind, cell).toBe('unknown');
  });
});

function where({ section, capability }: Row): string {
  return `section ${section}, ${capability}`;
}
