import type { RootfsMode } from '../../core/model/container-rootfs.ts';
import type { ContainerResources, ContainerSpec, RootfsSource } from '../../core/model/sandbox-spec.ts';
import type { ContainerState } from '../../core/model/record.ts';
import type {
  ContainerResources as ResourcesMessage, ContainerSpec as ContainerSpecMessage, CreateContainerRequest, KillContainerRequest, ListContainersRequest,
} from '../../gen/vivarium/v1/container.ts';
import type { PageRequest } from '../services/facade.ts';
import { containerStateFromWire, rootfsModeFromWire } from './enums.ts';
import { parsed } from './field-errors.ts';
import type { FieldErrors } from './field-errors.ts';
import {
  byteLength, checkAbsolutePath, checkAnnotations, checkBytes, checkCpus, checkLabels, checkNewName, checkOptionalReference, checkPage, checkReference, checkRequestId,
  checkTtySize, hasNul,
} from './validate-fields.ts';
import { isImageText } from './validate-image.ts';
import { parseMounts } from './validate-mounts.ts';
import { parseContainerDevices } from './validate-container-devices.ts';
import { checkArguments, checkEnvironment, checkSignal, checkUser, checkWorkingDir } from './validate-process.ts';
import { parseSecurity } from './validate-security.ts';

/** cpuset(7), list format. */
const CPU_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
/** cgroup v1's range of cpu.shares, as OCI has it. */
const CPU_SHARES = { least: 2n, most: 262_144n };

/** The whole request, or INVALID_REQUEST with every field error. */
export function parseCreateContainer(request: CreateContainerRequest): { sandboxRef: string; spec: ContainerSpec; requestId: string } {
  return parsed((errors) => {
    const requestId = checkRequestId(errors, request.requestId);
    const sandboxRef = checkReference(errors, 'sandbox_id', request.sandboxId);
    if (request.spec === undefined) errors.add('spec', 'is required');
    return { requestId, sandboxRef, spec: request.spec === undefined ? NO_SPEC : parseContainerSpec(errors, 'spec', request.spec) };
  });
}

export function parseKill(request: KillContainerRequest): { containerRef: string; signal: string; requestId: string } {
  return parsed((errors) => ({
    requestId: checkRequestId(errors, request.requestId),
    containerRef: checkReference(errors, 'container_id', request.containerId),
    signal: checkSignal(errors, 'signal', request.signal, 'SIGKILL'),
  }));
}

export function parseListContainers(request: ListContainersRequest): {
  filter: { sandboxRef: string; labels: Readonly<Record<string, string>>; states: readonly ContainerState[] };
  page: PageRequest;
} {
  return parsed((errors) => {
    const states = request.states.flatMap((value, index) => {
      const state = containerStateFromWire(value);
      errors.check(state !== undefined, `states[${index}]`, `${value} is not a state`);
      return state ?? [];
    });
    const sandboxRef = checkOptionalReference(errors, 'sandbox_id', request.sandboxId);
    return { filter: { sandboxRef, labels: checkLabels(errors, 'labels', request.labels), states }, page: checkPage(errors, request.pageSize, request.pageToken) };
  });
}

function parseContainerSpec(errors: FieldErrors, field: string, spec: ContainerSpecMessage): ContainerSpec {
  return Object.freeze({
    name: checkNewName(errors, `${field}.name`, spec.name),
    metadata: parseMetadata(errors, `${field}.metadata`, spec),
    rootfs: parseRootfs(errors, field, spec.rootfs),
    rootfsMode: parseRootfsMode(errors, `${field}.rootfs_mode`, spec.rootfsMode),
    entrypoint: checkArguments(errors, `${field}.entrypoint`, spec.entrypoint),
    args: checkArguments(errors, `${field}.args`, spec.args),
    env: checkEnvironment(errors, `${field}.env`, spec.env),
    workingDir: checkWorkingDir(errors, `${field}.working_dir`, spec.workingDir),
    user: checkUser(errors, `${field}.user`, spec.user),
    tty: spec.tty,
    stdin: spec.stdin,
    labels: checkLabels(errors, `${field}.labels`, spec.labels),
    annotations: checkAnnotations(errors, `${field}.annotations`, spec.annotations),
    resources: parseResources(errors, `${field}.resources`, spec.resources),
    security: parseSecurity(errors, `${field}.security`, spec.security),
    stopSignal: checkSignal(errors, `${field}.stop_signal`, spec.stopSignal, ''),
    shmSizeBytes: checkBytes(errors, `${field}.shm_size_bytes`, spec.shmSizeBytes),
    ttySize: checkTtySize(errors, `${field}.tty_size`, spec.ttySize),
    autoRemove: spec.autoRemove,
    mounts: parseMounts(errors, `${field}.mounts`, spec.mounts),
    devices: parseContainerDevices(errors, `${field}.devices`, spec.devices),
  });
}

function parseMetadata(errors: FieldErrors, field: string, spec: ContainerSpecMessage): ContainerSpec['metadata'] {
  const name = spec.metadata?.name ?? '';
  errors.check(byteLength(name) <= 253 && !hasNul(name), `${field}.name`, 'must be at most 253 bytes without NUL');
  return Object.freeze({ name, attempt: spec.metadata?.attempt ?? 0 });
}

function parseRootfs(errors: FieldErrors, field: string, rootfs: ContainerSpecMessage['rootfs']): RootfsSource {
  switch (rootfs?.$case) {
    case 'image':
      errors.check(isImageText(rootfs.value), `${field}.image`, 'must be the name or the id of an image');
      return Object.freeze({ kind: 'image', name: rootfs.value });
    case 'rootfsPath':
      return Object.freeze({ kind: 'path', path: checkAbsolutePath(errors, `${field}.rootfs_path`, rootfs.value) });
    case 'bundlePath':
      return Object.freeze({ kind: 'bundle', path: checkAbsolutePath(errors, `${field}.bundle_path`, rootfs.value) });
    case undefined:
      errors.add(`${field}.rootfs`, 'one of image, rootfs_path and bundle_path is required');
      return NO_SPEC.rootfs;
  }
}

function parseRootfsMode(errors: FieldErrors, field: string, value: number): RootfsMode {
  const mode = rootfsModeFromWire(value);
  errors.check(mode !== undefined, field, `${value} is not a mode`);
  return mode ?? 'auto';
}

function parseResources(errors: FieldErrors, field: string, message: ResourcesMessage | undefined): ContainerResources {
  if (message === undefined) return NO_RESOURCES;
  const shares = message.cpuShares;
  errors.check(shares === 0n || (shares >= CPU_SHARES.least && shares <= CPU_SHARES.most), `${field}.cpu_shares`, `must be 0 or between ${CPU_SHARES.least.toString()} and ${CPU_SHARES.most.toString()}`);
  errors.check(message.cpusetCpus === '' || (message.cpusetCpus.length <= 1024 && CPU_LIST.test(message.cpusetCpus)), `${field}.cpuset_cpus`, 'must be a list such as 0-2,4');
  errors.check(message.pidsLimit >= 0n && message.pidsLimit <= 4_194_304n, `${field}.pids_limit`, 'must be between 0 and 4194304');
  return Object.freeze({
    cpus: checkCpus(errors, `${field}.cpus`, message.cpus),
    cpuShares: Number(shares),
    cpusetCpus: message.cpusetCpus,
    memoryBytes: checkBytes(errors, `${field}.memory_bytes`, message.memoryBytes),
    pidsLimit: Number(message.pidsLimit),
  });
}

const NO_RESOURCES: ContainerResources = Object.freeze({ cpus: 0, cpuShares: 0, cpusetCpus: '', memoryBytes: 0, pidsLimit: 0 });

/** Stands in while the field errors of a request without spec are gathered; never leaves this file. */
const NO_SPEC: ContainerSpec = {
  name: '', metadata: { name: '', attempt: 0 }, rootfs: { kind: 'image', name: '' }, rootfsMode: 'auto', entrypoint: [], args: [], env: [], workingDir: '', user: '', tty: false, stdin: false,
  labels: {}, annotations: {}, resources: NO_RESOURCES,
  security: {
    privileged: false, capAdd: [], capDrop: [], readOnlyRootfs: false, noNewPrivileges: false, sysctls: {}, rlimits: [], maskedPaths: [], readonlyPaths: [], unmasked: false, seccompProfileJson: '',
  },
  stopSignal: '', shmSizeBytes: 0, ttySize: undefined, autoRemove: false, mounts: [], devices: [],
};
