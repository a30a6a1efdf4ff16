import type { SandboxRecord } from '../../src/core/model/record.ts';
import { CONTAINER_ID, containerRecord, containerSpec, deviceRecord, diskSpec, profile, sandboxRecord, sandboxSpec } from './records.ts';

/** A record in which every optional part is there. */
export function fullRecord(): SandboxRecord {
  return sandboxRecord({
    spec: sandboxSpec({
      metadata: { name: 'web', uid: 'u-1', namespace: 'default', attempt: 2 },
      hostname: 'web-0',
      dns: { servers: ['10.0.0.2'], searches: ['example.test'], options: ['ndots:5'] },
      labels: { app: 'wéb' },
      annotations: { note: 'two\nlines' },
      overrides: { memory: '512MiB' },
      workload: { cpus: 1.5, memoryBytes: 1_073_741_824, images: true },
    }),
    profile: profile({ allowedOverrides: ['memory', 'cpus'] }),
    state: 'running',
    epoch: 7,
    started: true,
    readyAtMs: 2_000,
    finishedAtMs: 3_000,
    cause: 'OPERATOR_STOP',
    causeDetail: 'stopped',
    consoleTail: 'bye\n',
    mode: { hypervisor: 'qemu', hypervisorVersion: '7.2.22', accelerator: 'tcg', acceleratorReason: 'no vmx', machine: 'q35', transport: 'virtio-serial', agent: 'viv-agent', agentVersion: '0.1.0', rootfs: 'virtiofs', guest: 'default', profile: 'default' },
    phases: [{ name: 'boot', offsetMs: 0, durationMs: 1234.5 }],
    conditions: [{ name: 'monitor-lost', message: 'gone', sinceMs: 2_500 }],
    vmSpec: { name: 'viv-0a1b-d4e5f6f708', uuid: '0190f4a8-b7c2-7def-8a12-b3c4d5e6f708', runDir: '/run/vivarium/s/d4e5f6f708', vmmPath: '/usr/bin/qemu-system-x86_64', accelerator: 'auto', machine: 'q35', cpuModel: '', cpus: 1, maxCpus: 1, memoryBytes: 268_435_456, hugepages: false, pciePorts: 4, kernel: '/k', initrd: '/i', image: '', kernelParams: '', sharedFs: { socketPath: '/run/fs.sock', tag: 'kataShared' }, diskController: true, agentPort: true, bootTimeoutMs: 30_000 },
    vm: { driver: 'qemu', runDir: '/run/vivarium/s/d4e5f6f708', process: { pid: 42, startTime: '123456', bootId: 'boot' }, argv: ['/usr/bin/qemu-system-x86_64', '-nodefaults'] },
    guest: { agentVersion: '0.1.0', kernelRelease: '6.1.0', bootId: 'guest', memoryBytes: 200_000_000, cpus: 1 },
    resources: [{ kind: 'mount', name: '/run/vivarium/s/d4e5f6f708/shared', attributes: { peer: '1' } }],
    devices: [deviceRecord({ slot: 2, guest: { pciAddress: '0000:03:00.0', path: '/dev/vda', sizeBytes: 1_048_576, functions: [{ pciAddress: '0000:03:00.0', driver: 'virtio-pci', nodes: ['/dev/vda'], interfaces: ['eth1'] }] }, attachedAtMs: 2_200, detail: 'all is well', owner: CONTAINER_ID })],
    containers: [
      containerRecord({
        state: 'exited',
        startedAtMs: 2_100,
        finishedAtMs: 2_900,
        exit: { code: 137, signal: 9, oomKilled: true, atMs: 2_900, cause: 'GUEST_OOM', detail: 'killed' },
        spec: containerSpec({ rootfsMode: 'virtiofs', rootfs: { kind: 'bundle', path: '/b' }, mounts: [{ kind: 'bind', destination: '/data', readOnly: true, source: '/srv', recursive: true, propagation: 'slave' }, { kind: 'tmpfs', destination: '/t', readOnly: false, sizeBytes: 4096, mode: 0o700 }, { kind: 'volume', destination: '/v', readOnly: false, name: 'data', subPath: 'a/b', noCopy: true, anonymous: false }], devices: [{ containerPath: '/dev/data', permissions: 'rw', what: diskSpec().what }, { containerPath: '', permissions: 'r', what: { kind: 'node', path: '/dev/fuse' } }], ttySize: { rows: 24, columns: 80 }, security: { ...containerSpec().security, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024n, hard: 18_446_744_073_709_551_615n }] } }),
        logBase: { stdout: 9_007_199_254_740_993n, stderr: 0n },
        phases: [{ name: 'rootfs', offsetMs: 1, durationMs: 2 }],
        lowerLayers: ['/lib/images/layers/sha256/b/fs'],
        imageId: 'sha256:c',
        rootfs: { kind: 'block', reason: 'asked for', disks: { image: { unit: 0, path: '/lib/images/disks/c/rootfs.erofs' }, own: { unit: 1, path: '/lib/c/disk.img' } } },
      }),
    ],
  });
}
