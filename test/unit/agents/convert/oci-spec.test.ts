import { describe, expect, it } from 'vitest';

import { toProcessMessage } from '../../../../src/agents/convert/oci-process.ts';
import { toSpecMessage } from '../../../../src/agents/convert/oci-spec.ts';
import { toStorageMessage } from '../../../../src/agents/convert/storage.ts';
import { toUsage } from '../../../../src/agents/convert/usage.ts';
import { Spec } from '../../../../src/gen/agent/oci.ts';
import { containerSpec, execSetup } from '../../../fakes/agent/specs.ts';

const FULL = {
  ociVersion: '1.0.2',
  hostname: 'box',
  annotations: { a: 'b' },
  root: { path: '/r', readonly: true },
  process: {
    terminal: true, consoleSize: { height: 24, width: 80 }, user: { uid: 1, gid: 2, additionalGids: [3] }, args: ['sh'], env: ['A=b'], cwd: '/w',
    capabilities: { bounding: ['CAP_CHOWN'], effective: ['CAP_CHOWN'], inheritable: [], permitted: ['CAP_CHOWN'], ambient: ['CAP_CHOWN'] },
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 18446744073709551615, soft: 1024 }], noNewPrivileges: true, oomScoreAdj: -5, apparmorProfile: 'p', selinuxLabel: 'l',
  },
  mounts: [{ destination: '/proc', source: 'proc', type: 'proc', options: ['ro'] }],
  hooks: { createContainer: [{ path: '/h', args: ['h'], env: ['E=1'], timeout: 3 }] },
  linux: {
    uidMappings: [{ hostID: 1, containerID: 0, size: 5 }], sysctl: { 'net.x': '1' }, cgroupsPath: '/c', namespaces: [{ type: 'pid', path: '' }],
    devices: [{ path: '/dev/x', type: 'c', major: 1, minor: 3, fileMode: 438, uid: 0, gid: 0 }],
    resources: {
      devices: [{ allow: false, access: 'rwm' }, { allow: true, type: 'c', major: 5, minor: 0, access: 'r' }],
      memory: { limit: 268435456, swap: -1 }, cpu: { shares: 1024, quota: -1, period: 100000, cpus: '0-1' }, pids: { limit: 9 },
      blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] }, hugepageLimits: [{ pageSize: '2MB', limit: 5 }],
      network: { classID: 7, priorities: [{ name: 'eth0', priority: 1 }] },
    },
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, architectures: ['SCMP_ARCH_X86_64'], flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', errnoRet: 38, args: [{ index: 0, value: 5, valueTwo: 6, op: 'SCMP_CMP_EQ' }] }],
    },
    maskedPaths: ['/proc/kcore'], readonlyPaths: ['/proc/sys'], rootfsPropagation: 'slave', mountLabel: 'm',
  },
} as const;

function failure(spec: Record<string, unknown>): unknown {
  try {
    return toSpecMessage(spec);
  } catch (error) {
    return error;
  }
}

describe('OCI spec to message', () => {
  it('carries every field under its number, there and back', () => {
    const message = toSpecMessage(FULL);
    expect(Spec.decode(Spec.encode(message).finish())).toEqual(message);
    expect(message).toMatchObject({
      Version: '1.0.2', Hostname: 'box', Annotations: { a: 'b' }, Root: { Path: '/r', Readonly: true },
      Process: {
        Terminal: true, ConsoleSize: { Height: 24, Width: 80 }, User: { UID: 1, GID: 2, AdditionalGids: [3] }, Args: ['sh'], Env: ['A=b'], Cwd: '/w',
        Capabilities: { Bounding: ['CAP_CHOWN'], Ambient: ['CAP_CHOWN'] }, NoNewPrivileges: true, OOMScoreAdj: -5n, ApparmorProfile: 'p', SelinuxLabel: 'l',
      },
      Mounts: [{ destination: '/proc', source: 'proc', type: 'proc', options: ['ro'] }],
      Hooks: { CreateContainer: [{ Path: '/h', Args: ['h'], Env: ['E=1'], Timeout: 3n }] },
      Linux: {
        UIDMappings: [{ HostID: 1, ContainerID: 0, Size: 5 }], Sysctl: { 'net.x': '1' }, CgroupsPath: '/c', Namespaces: [{ Type: 'pid', Path: '' }],
        Devices: [{ Path: '/dev/x', Type: 'c', Major: 1n, Minor: 3n, FileMode: 438 }], MaskedPaths: ['/proc/kcore'], ReadonlyPaths: ['/proc/sys'],
        RootfsPropagation: 'slave', MountLabel: 'm',
        Resources: {
          Memory: { Limit: 268435456n, Swap: -1n }, CPU: { Shares: 1024n, Quota: -1n, Period: 100000n, Cpus: '0-1' }, Pids: { Limit: 9n },
          BlockIO: { Weight: 10, ThrottleReadBpsDevice: [{ Major: 8n, Minor: 0n, Rate: 1000n }] }, HugepageLimits: [{ Pagesize: '2MB', Limit: 5n }],
          Network: { ClassID: 7, Priorities: [{ Name: 'eth0', Priority: 1 }] },
        },
        Seccomp: {
          DefaultAction: 'SCMP_ACT_ERRNO', Architectures: ['SCMP_ARCH_X86_64'], Flags: ['SECCOMP_FILTER_FLAG_LOG'],
          Syscalls: [{ Names: ['read'], Action: 'SCMP_ACT_ALLOW', ErrnoRet: { value: 38 }, Args: [{ Index: 0n, Value: 5n, ValueTwo: 6n, Op: 'SCMP_CMP_EQ' }] }],
        },
      },
    });
  });

  it('takes a limit that JSON rounded over the edge of 64 bits for no limit', () => {
    expect(toSpecMessage(FULL).Process?.Rlimits).toEqual([{ Type: 'RLIMIT_NOFILE', Hard: 18446744073709551615n, Soft: 1024n }]);
  });

  it('writes a device rule without numbers as one for every number', () => {
    expect(toSpecMessage(FULL).Linux?.Resources?.Devices).toEqual([
      { Allow: false, Type: '', Major: -1n, Minor: -1n, Access: 'rwm' },
      { Allow: true, Type: 'c', Major: 5n, Minor: 0n, Access: 'r' },
    ]);
  });

  it('leaves out what is not there', () => {
    expect(toSpecMessage({})).toMatchObject({ Process: undefined, Root: undefined, Linux: undefined, Mounts: [], Hooks: undefined });
  });

  it('names every wrong field and every field without a place at once', () => {
    const spec = { ...containerSpec(['sh']), domainname: 'd', process: { args: 'sh', user: { uid: -1, umask: 18 } }, linux: { resources: { unified: {}, cpu: { burst: 1 } }, seccomp: { defaultErrnoRet: 2 } } };
    expect(failure(spec)).toMatchObject({
      reason: 'INVALID_REQUEST',
      details: {
        fields: [
          { field: 'domainname' }, { field: 'process.user.umask' }, { field: 'process.user.uid' }, { field: 'process.args' },
          { field: 'linux.resources.unified' }, { field: 'linux.resources.cpu.burst' }, { field: 'linux.seccomp.defaultErrnoRet' },
        ],
      },
    });
  });
});

describe('other conversions', () => {
  it('gives an exec its capabilities in the three sets that bind it', () => {
    const message = toProcessMessage({ ...execSetup('c1', 'e1', ['id']), uid: 5, capabilities: ['CAP_KILL'], rlimits: [{ type: 'RLIMIT_CORE', soft: 0n, hard: 1n }] });
    expect(message).toMatchObject({
      Args: ['id'], User: { UID: 5 }, Rlimits: [{ Type: 'RLIMIT_CORE', Hard: 1n, Soft: 0n }],
      Capabilities: { Bounding: ['CAP_KILL'], Effective: ['CAP_KILL'], Permitted: ['CAP_KILL'], Inheritable: [], Ambient: [] },
    });
  });

  it('has the guest make the directories that an overlay writes to', () => {
    const storage = { driver: 'overlayfs', source: 'overlay', fstype: 'overlay', options: ['lowerdir=/l', 'upperdir=/u', 'workdir=/w'], mountPoint: '/m' } as const;
    expect(toStorageMessage(storage).driverOptions).toEqual([
      'io.katacontainers.volume.overlayfs.create_directory=/u', 'io.katacontainers.volume.overlayfs.create_directory=/w',
    ]);
    expect(toStorageMessage({ ...storage, driver: 'virtio-fs' }).driverOptions).toEqual([]);
  });

  it('reads figures that are not there as 0', () => {
    expect(toUsage(undefined)).toMatchObject({ cpuTotalNs: 0n, memoryBytes: 0n, pids: 0n });
  });
});
