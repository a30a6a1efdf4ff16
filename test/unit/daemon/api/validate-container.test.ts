import { describe, expect, it } from 'vitest';
import { parseCreateContainer, parseKill, parseListContainers } from '../../../../src/daemon/api/validate-container.ts';
import { parseExecStart } from '../../../../src/daemon/api/validate-process.ts';
import { parseLogs, parseResizeTty } from '../../../../src/daemon/api/validate-streams.ts';
import type { ContainerSpec } from '../../../../src/gen/vivarium/v1/container.ts';
import {
  CreateContainerRequest, ExecStart, GetContainerLogsRequest, KillContainerRequest, ListContainersRequest, ResizeContainerTtyRequest,
} from '../../../../src/gen/vivarium/v1/container.ts';
import { violationsOf } from './field-violations.ts';

type SpecParts = Parameters<typeof ContainerSpec.fromPartial>[0];

const create = (spec: SpecParts): CreateContainerRequest => CreateContainerRequest.fromPartial({ sandboxId: 'sb', spec: { rootfs: { $case: 'image', value: 'busybox' }, ...spec } });

describe('CreateContainer', () => {
  it('takes what an image and a sandbox are enough for', () => {
    const { spec, sandboxRef } = parseCreateContainer(create({}));
    expect(sandboxRef).toBe('sb');
    expect(spec).toMatchObject({ rootfs: { kind: 'image', name: 'busybox' }, stopSignal: '', resources: { cpus: 0, memoryBytes: 0 }, ttySize: undefined });
  });

  it('refuses an empty oneof', () => {
    const request = CreateContainerRequest.fromPartial({ sandboxId: 'sb', spec: {} });
    expect(violationsOf(() => parseCreateContainer(request))).toEqual({ 'spec.rootfs': 'one of image, rootfs_path and bundle_path is required' });
  });

  it('tells every field error at once', () => {
    const request = create({
      rootfs: { $case: 'rootfsPath', value: 'relative' },
      env: ['A=1', 'NOVALUE', '=x'],
      args: ['nul\0'],
      workingDir: 'tmp',
      user: 'a b',
      stopSignal: 'SIGNOPE',
      ttySize: { rows: 0, columns: 70_000 },
      resources: { cpus: -1, cpuShares: 1n, cpusetCpus: '0-', pidsLimit: -1n, memoryBytes: 0n },
      security: {
        capAdd: ['CAP_FLY'], rlimits: [{ type: 'nofile', soft: 2n, hard: 1n }, { type: 'RLIMIT_NOFILE', soft: 1n, hard: 1n }], sysctls: { 'no dots': '1' },
        maskedPaths: ['x'], unmasked: true, seccompProfileJson: '{}',
      },
    });
    expect(Object.keys(violationsOf(() => parseCreateContainer(request))).sort()).toEqual([
      'spec.args[0]', 'spec.env[1]', 'spec.env[2]', 'spec.resources.cpus', 'spec.resources.cpuset_cpus', 'spec.resources.cpu_shares', 'spec.resources.pids_limit',
      'spec.rootfs_path', 'spec.security.cap_add[0]', 'spec.security.masked_paths[0]', 'spec.security.rlimits[0].soft', 'spec.security.rlimits[1].type',
      'spec.security.seccomp_profile_json', 'spec.security.sysctls["no dots"]', 'spec.security.unmasked', 'spec.stop_signal', 'spec.tty_size.columns', 'spec.tty_size.rows',
      'spec.user', 'spec.working_dir',
    ].sort());
  });

  it('takes mounts in their shortest form, and tells what is wrong with each', () => {
    const bind = (destination: string, source = '/s'): object => ({ destination, kind: { $case: 'bind', value: { source } } });
    expect(parseCreateContainer(create({ mounts: [bind('/a//b/../c/'), { destination: '/t', readOnly: true, kind: { $case: 'tmpfs', value: { sizeBytes: 4096n, mode: 0o700 } } }] })).spec.mounts).toEqual([
      { kind: 'bind', destination: '/a/c', readOnly: false, source: '/s', recursive: true, propagation: 'private' },
      { kind: 'tmpfs', destination: '/t', readOnly: true, sizeBytes: 4096, mode: 0o700 },
    ]);
    const wrong = [
      bind('relative'), bind('/'), bind('/proc/x'), bind('/a'), bind('/a/'), bind('/b', 'relative'), { destination: '/c' },
      { destination: '/d', kind: { $case: 'tmpfs', value: { sizeBytes: 1n, mode: 0o10000 } } }, { destination: '/e', kind: { $case: 'bind', value: { source: '/s', propagation: 7 } } },
    ] as NonNullable<NonNullable<SpecParts>['mounts']>;
    expect(Object.keys(violationsOf(() => parseCreateContainer(create({ mounts: wrong }))))).toEqual([
      'spec.mounts[0].destination', 'spec.mounts[1].destination', 'spec.mounts[2].destination', 'spec.mounts[4].destination', 'spec.mounts[5].bind.source', 'spec.mounts[6].kind',
      'spec.mounts[7].tmpfs.size_bytes', 'spec.mounts[7].tmpfs.mode', 'spec.mounts[8].bind.propagation',
    ]);
  });

  it('brings signals, capabilities and limits into their one form', () => {
    const { spec } = parseCreateContainer(create({
      stopSignal: 'term', security: { capAdd: ['net_admin', 'CAP_NET_ADMIN', 'all'], rlimits: [{ type: 'nofile', soft: 1n, hard: 2n ** 64n - 1n }] },
    }));
    expect(spec.stopSignal).toBe('SIGTERM');
    expect(spec.security.capAdd).toEqual(['CAP_NET_ADMIN', 'ALL']);
    expect(spec.security.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 1n, hard: 2n ** 64n - 1n }]);
  });

  it('bounds arguments and environment by count, by entry and together', () => {
    expect(Object.keys(violationsOf(() => parseCreateContainer(create({ args: Array.from({ length: 4097 }, () => '') }))))).toEqual(['spec.args']);
    expect(Object.keys(violationsOf(() => parseCreateContainer(create({ args: ['x'.repeat(131_072)] }))))).toEqual(['spec.args[0]']);
    expect(Object.keys(violationsOf(() => parseCreateContainer(create({ args: Array.from({ length: 9 }, () => 'x'.repeat(131_071)) }))))).toEqual(['spec.args']);
  });
});

describe('KillContainer', () => {
  it.each([['', 'SIGKILL'], ['9', 'SIGKILL'], ['hup', 'SIGHUP'], ['SIGRTMIN+3', '37'], ['64', '64'], ['SIGIOT', 'SIGABRT']])('takes %j as %s', (given, meant) => {
    expect(parseKill(KillContainerRequest.fromPartial({ containerId: 'c', signal: given })).signal).toBe(meant);
  });

  it.each(['0', '65', '33', 'SIGRTMAX+1', 'KILL9', '-9'])('refuses %j', (given) => {
    expect(Object.keys(violationsOf(() => parseKill(KillContainerRequest.fromPartial({ containerId: 'c', signal: given }))))).toEqual(['signal']);
  });
});

describe('the other requests', () => {
  it('ListContainers takes no sandbox as all of them', () => {
    expect(parseListContainers(ListContainersRequest.fromPartial({})).filter.sandboxRef).toBe('');
  });

  it('ExecStart needs a command and a container', () => {
    expect(Object.keys(violationsOf(() => parseExecStart(ExecStart.fromPartial({}))))).toEqual(['start.command', 'start.container_id']);
  });

  it('GetContainerLogs refuses offsets beside what chooses a place', () => {
    const request = GetContainerLogsRequest.fromPartial({ containerId: 'c', offsets: { stdout: 1n }, tail: 3 });
    expect(Object.keys(violationsOf(() => parseLogs(request)))).toEqual(['offsets']);
  });

  it('GetContainerLogs tells tail 0 from no tail', () => {
    expect(parseLogs(GetContainerLogsRequest.fromPartial({ containerId: 'c', tail: 0 })).how.tail).toBe(0);
    expect(parseLogs(GetContainerLogsRequest.fromPartial({ containerId: 'c' })).how.tail).toBeUndefined();
  });

  it('ResizeContainerTty needs a size', () => {
    expect(violationsOf(() => parseResizeTty(ResizeContainerTtyRequest.fromPartial({ containerId: 'c' })))).toEqual({ size: 'is required' });
  });
});
