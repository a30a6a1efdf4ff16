import { expect, test } from 'vitest';
import { UsageError } from '../../../src/cli/cli-error.ts';
import type { ContainerFlags, SandboxFlags } from '../../../src/cli/requests/container-flags.ts';
import { containerSpec, sandboxNeeds, seccompFile, type ContainerInputs } from '../../../src/cli/requests/container-spec.ts';
import { refuseSandboxFlags, sandboxSpec } from '../../../src/cli/requests/sandbox-spec.ts';
import { ContainerSpec } from '../../../src/gen/vivarium/v1/container.ts';
import { SandboxSpec } from '../../../src/gen/vivarium/v1/sandbox.ts';

const noFlags: ContainerFlags = { env: [], label: [], annotation: [], capAdd: [], capDrop: [], securityOpt: [], ulimit: [], sysctl: [], volume: [], device: [], mount: [], tmpfs: [] };
const noSandboxFlags: SandboxFlags = { set: [], dns: [], dnsSearch: [], dnsOption: [] };
const spec = (flags: Partial<ContainerFlags>, operands: readonly string[], more: Partial<ContainerInputs> = {}): ContainerSpec =>
  containerSpec({ flags: { ...noFlags, ...flags }, operands, env: { HOME: '/root' }, cwd: '/srv/home', ttySize: { rows: 24, columns: 80 }, seccompProfile: '', ...more });

test('the first operand is the image, the rest the command', () => {
  expect(spec({}, ['busybox', '--', 'sh', '-c', 'x'])).toEqual(ContainerSpec.fromPartial({
    rootfs: { $case: 'image', value: 'busybox' }, args: ['sh', '-c', 'x'], resources: {}, security: {},
  }));
});

test('with --rootfs or --bundle all operands are the command, and paths are made absolute', () => {
  expect(spec({ rootfs: 'root' }, ['ls'])).toMatchObject({ rootfs: { $case: 'rootfsPath', value: '/srv/home/root' }, args: ['ls'] });
  expect(spec({ bundle: '/b' }, [])).toMatchObject({ rootfs: { $case: 'bundlePath', value: '/b' }, args: [] });
  expect(() => spec({ bundle: '/b', rootfs: '/r' }, [])).toThrow(UsageError);
  expect(() => spec({}, [])).toThrow('an image is missing');
});

test('the way of the root file system shapes the sandbox that is made for it', () => {
  const needs = (flags: object, operands = ['img']) => sandboxNeeds(spec(flags, operands));
  expect(needs({})).toEqual({ disks: false, images: false });
  expect(needs({ rootfsMode: 'block' })).toEqual({ disks: true, images: true });
  expect(needs({ rootfsMode: 'block', volume: ['/srv:/data'] })).toEqual({ disks: true, images: false });
  expect(needs({ rootfsMode: 'block', rootfs: '/r' })).toEqual({ disks: false, images: false });
  expect(sandboxSpec({ set: [], dns: [], dnsSearch: [], dnsOption: [] }, { label: [], annotation: [], autoRemove: false, disks: true }).overrides).toEqual({ block_rootfs: 'true' });
  expect(() => spec({ rootfsMode: 'nfs' }, ['img'])).toThrow('there is no "nfs"');
});

test('flags become the fields of the same meaning', () => {
  expect(spec({
    interactive: true, tty: true, name: 'web', env: ['A=1', 'HOME'], workdir: '/w', user: '1:2', cpus: '1.5', cpuShares: '512', cpusetCpus: '0-1', memory: '256m',
    pidsLimit: '64', label: ['a=b'], annotation: ['c=d'], entrypoint: '/init -v', privileged: true, capAdd: ['NET_ADMIN'], capDrop: ['ALL'], readOnly: true,
    securityOpt: ['no-new-privileges', 'unmask=ALL'], ulimit: ['nofile=1:2'], shmSize: '1m', sysctl: ['net.x=1'], stopSignal: 'SIGINT',
  }, ['img'])).toMatchObject({
    name: 'web', tty: true, stdin: true, env: ['A=1', 'HOME=/root'], workingDir: '/w', user: '1:2', entrypoint: ['/init', '-v'], labels: { a: 'b' }, annotations: { c: 'd' },
    resources: { cpus: 1.5, cpuShares: 512n, cpusetCpus: '0-1', memoryBytes: 268_435_456n, pidsLimit: 64n },
    security: {
      privileged: true, capAdd: ['NET_ADMIN'], capDrop: ['ALL'], readOnlyRootfs: true, noNewPrivileges: true, unmasked: true,
      sysctls: { 'net.x': '1' }, rlimits: [{ type: 'nofile', soft: 1n, hard: 2n }],
    },
    stopSignal: 'SIGINT', shmSizeBytes: 1_048_576n, ttySize: { rows: 24, columns: 80 },
  });
});

test('without -t no terminal size is sent', () => {
  expect(spec({}, ['img']).ttySize).toBeUndefined();
});

test('an unknown security option is refused, seccomp names a file', () => {
  expect(() => spec({ securityOpt: ['label=x'] }, ['img'])).toThrow('there is no "label=x"');
  expect(seccompFile({ ...noFlags, securityOpt: ['seccomp=a.json', 'seccomp=b.json'] })).toBe('b.json');
  expect(spec({ securityOpt: ['seccomp=b.json'] }, ['img'], { seccompProfile: '{}' }).security?.seccompProfileJson).toBe('{}');
});

test('sandbox flags become a sandbox spec', () => {
  expect(sandboxSpec({ hostname: 'h', profile: 'p', set: ['kernel=x'], pid: 'sandbox', dns: ['1.1.1.1'], dnsSearch: ['s'], dnsOption: ['o'], cpus: '2', memory: '1g' }, {
    name: 'box', label: ['a=b'], annotation: [], autoRemove: true,
  })).toEqual(SandboxSpec.fromPartial({
    name: 'box', hostname: 'h', profile: 'p', overrides: { kernel: 'x' }, namespaceOptions: { pid: 2 }, labels: { a: 'b' },
    dns: { servers: ['1.1.1.1'], searches: ['s'], options: ['o'] }, workload: { cpus: 2, memoryBytes: 1n << 30n }, autoRemove: true,
  }));
  expect(() => sandboxSpec({ ...noSandboxFlags, pid: 'host' }, { label: [], annotation: [], autoRemove: false })).toThrow('--pid: there is no "host"');
});

test('what belongs to a sandbox can not be asked of one that is joined', () => {
  expect(() => { refuseSandboxFlags({ ...noSandboxFlags, profile: 'x', dns: ['1'] }); }).toThrow('--profile, --dns cannot be used with --sandbox');
  expect(() => { refuseSandboxFlags({ ...noSandboxFlags, cpus: '1' }); }).not.toThrow();
});
