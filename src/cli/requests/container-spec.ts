import { resolve } from 'node:path';
import { ContainerSpec, RootfsMode, type ContainerResources, type SecuritySpec, type TtySize } from '../../gen/vivarium/v1/container.ts';
import { commandAfter, splitEntrypoint } from '../args/command-line.ts';
import { parseContainerDevices } from '../args/devices.ts';
import { parseEnv, parseKeyValues } from '../args/key-values.ts';
import { parseMounts } from '../args/mounts.ts';
import { parseCount, parsePositive } from '../args/number.ts';
import { parseSize } from '../args/size.ts';
import { parseUlimit } from '../args/ulimit.ts';
import { UsageError } from '../cli-error.ts';
import type { ContainerFlags } from './container-flags.ts';

export interface ContainerInputs {
  readonly flags: ContainerFlags;
  /** Image and command; only the command with --rootfs or --bundle. */
  readonly operands: readonly string[];
  /** Our own environment, for `-e KEY`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory that --rootfs and --bundle are relative to. */
  readonly cwd: string;
  readonly ttySize: TtySize | undefined;
  /** The text of the file that `--security-opt seccomp=FILE` names. */
  readonly seccompProfile: string;
}

/**
 * Flags and operands → what CreateContainer takes. Everything left out stays the daemon's or the image's choice.
 * @throws {UsageError}
 */
export function containerSpec(inputs: ContainerInputs): ContainerSpec {
  const { flags } = inputs;
  const { rootfs, command } = rootfsAndCommand(inputs);
  return ContainerSpec.fromPartial({
    name: flags.name ?? '',
    rootfs,
    rootfsMode: rootfsMode(flags.rootfsMode),
    entrypoint: splitEntrypoint(flags.entrypoint),
    args: command,
    env: parseEnv(flags.env, inputs.env),
    workingDir: flags.workdir ?? '',
    user: flags.user ?? '',
    tty: flags.tty === true,
    stdin: flags.interactive === true,
    labels: parseKeyValues(flags.label, '--label', { bare: true }),
    annotations: parseKeyValues(flags.annotation, '--annotation'),
    resources: resources(flags),
    security: security(flags, inputs.seccompProfile),
    stopSignal: flags.stopSignal ?? '',
    mounts: parseMounts(flags, inputs.cwd),
    devices: parseContainerDevices(flags.device, inputs.cwd),
    shmSizeBytes: flags.shmSize === undefined ? 0n : parseSize(flags.shmSize, '--shm-size'),
    ...(flags.tty === true && inputs.ttySize !== undefined ? { ttySize: inputs.ttySize } : {}),
  });
}

function rootfsAndCommand({ flags, operands, cwd }: ContainerInputs): { rootfs: NonNullable<ContainerSpec['rootfs']>; command: string[] } {
  if (flags.rootfs !== undefined && flags.bundle !== undefined) throw new UsageError('--rootfs and --bundle exclude each other');
  if (flags.rootfs !== undefined) return { rootfs: { $case: 'rootfsPath', value: resolve(cwd, flags.rootfs) }, command: commandAfter(operands) };
  if (flags.bundle !== undefined) return { rootfs: { $case: 'bundlePath', value: resolve(cwd, flags.bundle) }, command: commandAfter(operands) };
  const [image, ...rest] = operands;
  if (image === undefined) throw new UsageError('an image is missing', 'name one (viv image ls), or use --rootfs DIR or --bundle DIR');
  return { rootfs: { $case: 'image', value: image }, command: commandAfter(rest) };
}

const ROOTFS_MODES: Readonly<Record<string, RootfsMode>> = {
  auto: RootfsMode.ROOTFS_MODE_AUTO,
  block: RootfsMode.ROOTFS_MODE_BLOCK,
  virtiofs: RootfsMode.ROOTFS_MODE_VIRTIOFS,
  '9p': RootfsMode.ROOTFS_MODE_9P,
  none: RootfsMode.ROOTFS_MODE_NONE,
};

function rootfsMode(text: string | undefined): RootfsMode {
  if (text === undefined) return RootfsMode.ROOTFS_MODE_UNSPECIFIED;
  const mode = Object.hasOwn(ROOTFS_MODES, text) ? ROOTFS_MODES[text] : undefined;
  if (mode === undefined) throw new UsageError(`--rootfs-mode: there is no "${text}"`, `known are ${Object.keys(ROOTFS_MODES).join(', ')}`);
  return mode;
}

/** What a sandbox that is made for it has to have: disks, and nothing shared where it needs no more. */
export function sandboxNeeds(spec: ContainerSpec): { readonly disks: boolean; readonly images: boolean } {
  const disks = spec.rootfs?.$case === 'image' && spec.rootfsMode === RootfsMode.ROOTFS_MODE_BLOCK;
  return { disks, images: disks && !spec.mounts.some(({ kind }) => kind?.$case === 'bind') };
}

function resources(flags: ContainerFlags): ContainerResources {
  return {
    cpus: flags.cpus === undefined ? 0 : parsePositive(flags.cpus, '--cpus'),
    cpuShares: flags.cpuShares === undefined ? 0n : BigInt(parseCount(flags.cpuShares, '--cpu-shares')),
    cpusetCpus: flags.cpusetCpus ?? '',
    memoryBytes: flags.memory === undefined ? 0n : parseSize(flags.memory, '--memory'),
    pidsLimit: flags.pidsLimit === undefined ? 0n : BigInt(parseCount(flags.pidsLimit, '--pids-limit')),
  };
}

function security(flags: ContainerFlags, seccompProfile: string): SecuritySpec {
  const unknown = flags.securityOpt.find((option) => !/^(no-new-privileges|unmask=ALL|seccomp=.+)$/.test(option));
  if (unknown !== undefined) {
    throw new UsageError(`--security-opt: there is no "${unknown}"`, 'known are no-new-privileges, unmask=ALL and seccomp=FILE');
  }
  return {
    privileged: flags.privileged === true,
    capAdd: [...flags.capAdd],
    capDrop: [...flags.capDrop],
    readOnlyRootfs: flags.readOnly === true,
    noNewPrivileges: flags.securityOpt.includes('no-new-privileges'),
    sysctls: parseKeyValues(flags.sysctl, '--sysctl'),
    rlimits: flags.ulimit.map(parseUlimit),
    maskedPaths: [],
    readonlyPaths: [],
    unmasked: flags.securityOpt.includes('unmask=ALL'),
    seccompProfileJson: seccompProfile,
  };
}

/** The file that `--security-opt seccomp=FILE` names; the last one counts. */
export const seccompFile = (flags: ContainerFlags): string | undefined =>
  flags.securityOpt.filter((option) => option.startsWith('seccomp=')).at(-1)?.slice('seccomp='.length);
