import { describe, expect, it } from 'vitest';
import { containerRuntimeSpec } from '../../../../src/storage/oci/container-spec.ts';
import type { OciRuntimeSpec } from '../../../../src/storage/oci/runtime-spec.ts';
import { CONTAINER_ID, containerSpec } from '../../../fakes/records.ts';
import type { ContainerSpec } from '../../../../src/core/model/sandbox-spec.ts';

const CONFIG = {
  ociVersion: '1.0.2',
  process: {
    terminal: true,
    user: { uid: 5, gid: 6, additionalGids: [7] },
    args: ['/server', '-x'],
    env: ['A=1'],
    cwd: '/srv',
    capabilities: { bounding: ['CAP_KILL'], effective: ['CAP_KILL'], permitted: ['CAP_KILL'] },
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 18446744073709552000, soft: 1024 }],
    noNewPrivileges: true,
    oomScoreAdj: 100,
    apparmorProfile: 'x',
  },
  root: { path: 'rootfs', readonly: true },
  hostname: 'ignored',
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup2', source: 'cgroup', options: ['ro'] },
  ],
  annotations: { a: 'b' },
  hooks: { prestart: [{ path: '/bin/true' }], startContainer: [{ path: '/setup', args: ['setup'], timeout: 3 }] },
  linux: {
    namespaces: [{ type: 'pid' }, { type: 'network', path: '/run/netns/x' }, { type: 'mount' }],
    cgroupsPath: '/machine/x',
    sysctl: { 'net.ipv4.ip_forward': '1' },
    resources: { memory: { limit: 1000000 }, cpu: { quota: -1, shares: 100, cpus: '0' }, pids: { limit: 10 }, devices: [{ allow: false, access: 'rwm' }] },
    devices: [{ path: '/dev/null', type: 'c', major: 1, minor: 3 }, { path: '/dev/fuse', type: 'c', major: 10, minor: 229 }],
    maskedPaths: ['/proc/kcore'],
    seccomp: { defaultAction: 'SCMP_ACT_ERRNO' },
  },
};

function specOf(config: Record<string, unknown>, spec: Partial<ContainerSpec> = {}): OciRuntimeSpec {
  const source = containerSpec({ args: [], rootfs: { kind: 'bundle', path: '/b' }, ...spec });
  return containerRuntimeSpec({ containerId: CONTAINER_ID, spec: source, hostname: 'box', guestFiles: ['/etc/hosts'], image: undefined, bundleSpec: config, users: { passwd: undefined, group: undefined } });
}

function linux(change: Record<string, unknown>): Record<string, unknown> {
  return { ...CONFIG, linux: { ...CONFIG.linux, ...change } };
}

describe('a bundle', () => {
  it('keeps what a guest can give', () => {
    const spec = specOf(CONFIG);
    expect(spec.process).toMatchObject({ terminal: true, user: { uid: 5, gid: 6, additionalGids: [7] }, args: ['/server', '-x'], cwd: '/srv', noNewPrivileges: true, oomScoreAdj: 100 });
    expect(spec.process.capabilities.bounding).toEqual(['CAP_KILL']);
    expect(spec.process.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 1024n, hard: 18_446_744_073_709_551_615n }]);
    expect(spec.process.env).toContain('A=1');
    expect(spec.root.readonly).toBe(true);
    expect(spec.mounts.map((mount) => [mount.destination, mount.type])).toEqual([['/proc', 'proc'], ['/dev', 'tmpfs'], ['/sys/fs/cgroup', 'cgroup'], ['/dev/shm', 'tmpfs']]);
    expect(spec.annotations).toEqual({ a: 'b' });
    expect(spec.hooks).toEqual({ startContainer: [{ path: '/setup', args: ['setup'], env: [], timeout: 3 }] });
    expect(spec.linux).toMatchObject({ sysctl: { 'net.ipv4.ip_forward': '1' }, maskedPaths: ['/proc/kcore'], readonlyPaths: [], seccomp: { defaultAction: 'SCMP_ACT_ERRNO' } });
    expect(spec.linux.resources).toEqual({ cpu: { shares: 100 }, memory: { limit: 1_000_000 }, pids: { limit: 10 } });
    expect(spec.linux.devices.map((device) => device.path)).toEqual(['/dev/fuse']);
  });

  it('gives way to the guest in names, paths and namespaces', () => {
    const spec = specOf(CONFIG);
    expect(spec.hostname).toBe('box');
    expect(spec.linux.cgroupsPath).toBe(`/vivarium/${CONTAINER_ID}`);
    expect(spec.linux.namespaces).toEqual([{ type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'cgroup' }]);
  });

  it('gives way to the request', () => {
    const spec = specOf(CONFIG, { args: ['sh'], user: '9:9', workingDir: '/', env: ['A=2'] });
    expect(spec.process).toMatchObject({ args: ['sh'], user: { uid: 9, gid: 9 }, cwd: '/' });
    expect(spec.process.env).toContain('A=2');
  });

  it.each([
    ['a mount from the host', { ...CONFIG, mounts: [{ destination: '/data', type: 'bind', source: '/srv/data', options: ['rbind'] }] }, /\/srv\/data on \/data/],
    ['a bind that is called none', { ...CONFIG, mounts: [{ destination: '/data', type: 'none', source: '/srv', options: ['bind'] }] }, /\/srv on \/data/],
    ['a file system of the host', { ...CONFIG, mounts: [{ destination: '/data', type: 'ext4', source: '/dev/sda1' }] }, /type "ext4" on \/data/],
    ['a device of the host', linux({ devices: [{ path: '/dev/sda', type: 'b', major: 8, minor: 0 }] }), /\/dev\/sda \(8:0\)/],
    ['another device in a known name', linux({ devices: [{ path: '/dev/fuse', type: 'c', major: 8, minor: 0 }] }), /\/dev\/fuse \(8:0\)/],
    ['a user namespace', linux({ namespaces: [{ type: 'user' }] }), /user namespace/],
    ['id mappings', linux({ uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] }), /user namespace/],
  ])('that asks for %s is unsupported, and the answer names it', (_case, config, words) => {
    expect(() => specOf(config)).toThrow(expect.objectContaining({ reason: 'UNSUPPORTED', message: expect.stringMatching(words) as string }) as Error);
  });

  it('with values of the wrong kind is refused with their paths', () => {
    const config = { ...CONFIG, process: { ...CONFIG.process, args: 'sh', capabilities: { bounding: ['CAP_X'] } }, linux: { ...CONFIG.linux, sysctl: { 'vm.x': '1' } } };
    expect(() => specOf(config)).toThrow(/process\.args: it is not a list of strings.*bounding\[0\].*linux\.sysctl\["vm\.x"\]/s);
  });
});
