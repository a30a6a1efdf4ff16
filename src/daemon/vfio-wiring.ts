import * as fs from 'node:fs/promises';
import type { Files, ProcessRunner } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { nodeBlockHost } from '../devices/block-host.ts';
import { VfioBinder } from '../devices/vfio/binder.ts';
import { BindingMarks } from '../devices/vfio/binding-marks.ts';
import type { DiskProbe } from '../devices/vfio/host-use.ts';
import { nodeKernelFiles, type KernelFiles } from '../devices/vfio/kernel-files.ts';

const MODPROBE_MS = 30_000;
const MODULES = ['vfio-pci', 'vfio_iommu_type1'];

export interface VfioWiring {
  readonly files: KernelFiles;
  readonly disks: DiskProbe;
  readonly marks: BindingMarks;
  readonly binder: VfioBinder;
}

export interface VfioWiringParts {
  readonly root: string;
  readonly files: Files;
  readonly runner: ProcessRunner;
  readonly bootId: string;
  readonly log: Logger;
}

/** PCI devices of the host's: where they are, whose they are, how they are taken and given back. */
export function wireVfio({ root, files: hostFiles, runner, bootId, log }: VfioWiringParts): VfioWiring {
  const files = nodeKernelFiles();
  const marks = new BindingMarks(`${root}/vfio`, hostFiles, (directory) => fs.readdir(directory).catch(noneWhenMissing));
  const loadDriver = async (): Promise<string | undefined> => {
    const { code, stderr } = await runner.run('modprobe', ['-a', ...MODULES], { timeoutMs: MODPROBE_MS });
    return code === 0 ? undefined : stderr.trim();
  };
  return { files, disks: nodeBlockHost(), marks, binder: new VfioBinder({ files, marks, bootId, loadDriver, log }) };
}

function noneWhenMissing(error: unknown): readonly string[] {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
  throw error;
}
