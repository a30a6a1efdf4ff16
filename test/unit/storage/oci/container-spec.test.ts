import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { ContainerSpec, SecuritySpec } from '../../../../src/core/model/sandbox-spec.ts';
import type { ImageConfig } from '../../../../src/core/ports/storage.ts';
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../../src/storage/oci/capabilities.ts';
import { containerRuntimeSpec } from '../../../../src/storage/oci/container-spec.ts';
import type { ContainerSpecInput } from '../../../../src/storage/oci/container-spec.ts';
import type { OciRuntimeSpec } from '../../../../src/storage/oci/runtime-spec.ts';
import { CONTAINER_ID, containerSpec } from '../../../fakes/records.ts';

const USERS = { passwd: 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n', group: 'root:x:0:\nweb:x:1000:\ndocker:x:999:web,other\n' };

const IMAGE: ImageConfig = { name: 'busybox', digest: 'sha256:1', lowers: ['/images/busybox/rootfs'], entrypoint: [], command: ['sh'], env: ['PATH=/bin', 'LANG=C'], workingDir: '/srv', user: '', stopSignal: '', volumes: [], sizeBytes: 0, source: '', pulled: undefined };

function inputOf(spec: Partial<ContainerSpec>, change: Partial<ContainerSpecInput> = {}): ContainerSpecInput {
  return { containerId: CONTAINER_ID, spec: containerSpec({ args: [], ...spec }), hostname: 'box', guestFiles: [], image: IMAGE, bundleSpec: undefined, users: USERS, ...change };
}

function specOf(spec: Partial<ContainerSpec>, change: Partial<ContainerSpecInput> = {}): OciRuntimeSpec {
  return containerRuntimeSpec(inputOf(spec, change));
}

function security(change: Partial<SecuritySpec>): Partial<ContainerSpec> {
  return { security: { ...containerSpec().security, ...change } };
}

/** The names of the fields that a request was refused for. */
function refusedFields(spec: Partial<ContainerSpec>, change: Partial<ContainerSpecInput> = {}): readonly string[] {
  try {
    specOf(spec, change);
  } catch (error) {
    if (error instanceof DomainError && error.reason === 'INVALID_REQUEST') return (error.details.fields ?? []).map((field) => field.field);
    throw error;
  }
  return [];
}

describe('the runtime spec of an image', () => {
  it('has the default shape', () => {
    const spec = specOf({});
    expect(spec.ociVersion).toBe('1.0.2');
    expect(spec.root).toEqual({ path: `/run/kata-containers/shared/containers/${CONTAINER_ID}/rootfs`, readonly: false });
    expect(spec.hostname).toBe('box');
    expect(spec.process).toMatchObject({ terminal: false, args: ['sh'], cwd: '/srv', user: { uid: 0, gid: 0, additionalGids: [] }, noNewPrivileges: false, oomScoreAdj: 0 });
    expect(spec.process.env).toEqual(['PATH=/bin', 'HOSTNAME=box', 'HOME=/root', 'container=vivarium', `container_uuid=${CONTAINER_ID}`, 'LANG=C']);
    expect(spec.process.capabilities.bounding).toEqual(DEFAULT_CAPABILITIES);
    expect(spec.linux.cgroupsPath).toBe(`/vivarium/${CONTAINER_ID}`);
    expect(spec.linux.namespaces.map((namespace) => namespace.type)).toEqual(['pid', 'mount', 'ipc', 'uts', 'cgroup']);
    expect(spec.linux.maskedPaths).toContain('/proc/kcore');
    expect(spec.linux.readonlyPaths).toContain('/proc/sys');
    expect(spec.mounts.map((mount) => mount.destination)).toEqual(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue', '/sys', '/sys/fs/cgroup']);
  });

  it.each([
    ['the image alone', {}, { entrypoint: ['/init'], command: ['-v'] }, ['/init', '-v']],
    ['arguments', { args: ['-q'] }, { entrypoint: ['/init'], command: ['-v'] }, ['/init', '-q']],
    ['an entrypoint, which drops the command', { entrypoint: ['/bin/sh'] }, { entrypoint: ['/init'], command: ['-v'] }, ['/bin/sh']],
    ['both', { entrypoint: ['/bin/sh'], args: ['-c', 'id'] }, { entrypoint: ['/init'], command: ['-v'] }, ['/bin/sh', '-c', 'id']],
  ])('runs what it should with %s', (_case, spec, image, args) => {
    expect(specOf(spec, { image: { ...IMAGE, ...image } }).process.args).toEqual(args);
  });

  it('has the variables of defaults, image and request, the later winning', () => {
    const { env } = specOf({ env: ['LANG=de', 'HOME=/x', 'EMPTY='], tty: true }).process;
    expect(env).toEqual(['PATH=/bin', 'HOSTNAME=box', 'HOME=/x', 'container=vivarium', `container_uuid=${CONTAINER_ID}`, 'TERM=xterm', 'LANG=de', 'EMPTY=']);
  });

  it('needs no image', () => {
    expect(specOf({ args: ['/bin/true'] }, { image: undefined }).process).toMatchObject({ args: ['/bin/true'], cwd: '/' });
  });

  it.each<[string, Partial<SecuritySpec>, readonly string[]]>([
    ['drops one', { capDrop: ['net_raw'] }, DEFAULT_CAPABILITIES.filter((name) => name !== 'CAP_NET_RAW')],
    ['drops all and adds one', { capDrop: ['ALL'], capAdd: ['CAP_NET_ADMIN'] }, ['CAP_NET_ADMIN']],
    ['adds all but one', { capAdd: ['all'], capDrop: ['SYS_ADMIN'] }, ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_ADMIN')],
    ['is privileged', { privileged: true, capDrop: ['ALL'] }, ALL_CAPABILITIES],
  ])('has the right capabilities when it %s', (_case, change, wanted) => {
    const { capabilities } = specOf(security(change)).process;
    expect([...capabilities.bounding].sort()).toEqual([...wanted].sort());
    expect(capabilities).toMatchObject({ effective: capabilities.bounding, permitted: capabilities.bounding, inheritable: [], ambient: [] });
  });

  it('a privileged one sees and writes what others may not, and gets no device of the host', () => {
    const spec = specOf(security({ privileged: true }));
    expect(spec.linux).toMatchObject({ maskedPaths: [], readonlyPaths: [], devices: [] });
    expect(spec.mounts.find((mount) => mount.destination === '/sys')?.options).toContain('rw');
  });

  it('takes own path lists, or none at all', () => {
    expect(specOf(security({ maskedPaths: ['/proc/cpuinfo'] })).linux).toMatchObject({ maskedPaths: ['/proc/cpuinfo'] });
    expect(specOf(security({ unmasked: true })).linux).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
  });

  it('passes limits, sysctls, seccomp, read-only root and no_new_privileges on', () => {
    const spec = specOf({
      resources: { cpus: 1.5, cpuShares: 512, cpusetCpus: '0-1', memoryBytes: 64 << 20, pidsLimit: 100 },
      ...security({ sysctls: { 'net.core.somaxconn': '1024', 'kernel.shm_rmid_forced': '1' }, rlimits: [{ type: 'nofile', soft: 10n, hard: 20n }], readOnlyRootfs: true, noNewPrivileges: true, seccompProfileJson: '{"defaultAction":"SCMP_ACT_ALLOW"}' }),
    });
    expect(spec.linux.resources).toEqual({ cpu: { quota: 150_000, period: 100_000, shares: 512, cpus: '0-1' }, memory: { limit: 64 << 20 }, pids: { limit: 100 } });
    expect(spec.linux.sysctl).toEqual({ 'net.core.somaxconn': '1024', 'kernel.shm_rmid_forced': '1' });
    expect(spec.linux.seccomp).toEqual({ defaultAction: 'SCMP_ACT_ALLOW' });
    expect(spec.process.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 10n, hard: 20n }]);
    expect([spec.root.readonly, spec.process.noNewPrivileges]).toEqual([true, true]);
  });

  it('sizes /dev/shm', () => {
    const spec = specOf({ shmSizeBytes: 1 << 20 });
    expect(spec.mounts.find((mount) => mount.destination === '/dev/shm')?.options).toContain('size=1048576');
  });

  it.each([[false, 'rw'], [true, 'ro']])('mounts the files that the agent keeps, writable as the root file system is (read-only: %s)', (readOnlyRootfs, access) => {
    const files = ['/etc/hosts', '/etc/resolv.conf'];
    const { mounts } = specOf(security({ readOnlyRootfs }), { guestFiles: files });
    expect(mounts.slice(-2)).toEqual(files.map((path) => ({ destination: path, type: 'bind', source: path, options: ['rbind', access] })));
  });

  it('tells the terminal its size', () => {
    expect(specOf({ tty: true, ttySize: { rows: 50, columns: 120 } }).process.consoleSize).toEqual({ height: 50, width: 120 });
  });
});

describe('a wrong request', () => {
  it.each<[string, Partial<ContainerSpec>, readonly string[]]>([
    ['an unknown user', { user: 'nobody' }, ['spec.user']],
    ['a variable without a name', { env: ['A=1', '=x', 'B'] }, ['spec.env[1]', 'spec.env[2]']],
    ['a relative directory', { workingDir: 'srv' }, ['spec.working_dir']],
    ['an unknown capability', security({ capAdd: ['CAP_FLY'], capDrop: ['x'] }), ['spec.security.cap_add[0]', 'spec.security.cap_drop[0]']],
    ['an unknown limit', security({ rlimits: [{ type: 'RLIMIT_X', soft: 1n, hard: 1n }] }), ['spec.security.rlimits[0].type']],
    ['a soft limit over the hard one', security({ rlimits: [{ type: 'core', soft: 2n, hard: 1n }] }), ['spec.security.rlimits[0].soft']],
    ['a limit twice', security({ rlimits: [{ type: 'core', soft: 1n, hard: 1n }, { type: 'RLIMIT_CORE', soft: 1n, hard: 1n }] }), ['spec.security.rlimits[1].type']],
    ['sysctls of the whole guest', security({ sysctls: { 'vm.swappiness': '1', 'kernel.hostname': 'x', '../x': 'y' } }), ['spec.security.sysctls["vm.swappiness"]', 'spec.security.sysctls["kernel.hostname"]', 'spec.security.sysctls["../x"]']],
    ['a seccomp profile that is none', security({ seccompProfileJson: '{"syscalls":[]}' }), ['spec.security.seccomp_profile_json']],
    ['a seccomp profile that is no JSON', security({ seccompProfileJson: '{' }), ['spec.security.seccomp_profile_json']],
    ['a relative masked path', security({ maskedPaths: ['proc'] }), ['spec.security.masked_paths[0]']],
    ['impossible resources', { resources: { cpus: -1, cpuShares: 1, cpusetCpus: 'all', memoryBytes: 10, pidsLimit: 0 } }, ['spec.resources.cpus', 'spec.resources.cpu_shares', 'spec.resources.cpuset_cpus', 'spec.resources.memory_bytes']],
    ['an argument with a NUL byte', { args: ['a\0b'] }, ['spec.args']],
  ])('with %s is refused by field', (_case, spec, fields) => {
    expect(refusedFields(spec)).toEqual(fields);
  });

  it('without anything to run is refused', () => {
    expect(refusedFields({}, { image: undefined })).toEqual(['spec.args']);
  });

  it('hears of all its mistakes at once', () => {
    expect(refusedFields({ user: 'x:y', env: ['B'], workingDir: 'srv', ...security({ capAdd: ['NOPE'] }) })).toEqual(['spec.user', 'spec.security.cap_add[0]', 'spec.env[0]', 'spec.working_dir']);
  });
});
