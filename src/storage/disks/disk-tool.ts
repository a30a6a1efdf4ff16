import { DomainError } from '../../core/model/errors.ts';
import type { ProcessRunner, WaitOptions } from '../../core/ports/host.ts';

/** For images of many GB on a slow disk. */
const LONGEST_MS = 30 * 60_000;

/** Which package has a program. */
const PACKAGES: Readonly<Record<string, string>> = { 'mkfs.erofs': 'erofs-utils', 'mkfs.ext4': 'e2fsprogs', cp: 'coreutils' };

/** Runs a program that makes a disk. STORAGE_FULL when there is no room for it, ROOTFS_FAILED with its words otherwise. */
export async function runDiskTool(runner: ProcessRunner, command: keyof typeof PACKAGES, args: readonly string[], options: WaitOptions & { readonly env?: Readonly<Record<string, string>> }): Promise<void> {
  const { code, stderr } = await runner.run(command, args, { timeoutMs: LONGEST_MS, signal: options.signal, ...(options.env === undefined ? {} : { env: options.env }) }).catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.reason !== 'HOST_RESOURCE') throw error;
    throw new DomainError('HOST_RESOURCE', error.message, { cause: error, remedy: `install ${PACKAGES[command] ?? command}, or use --rootfs-mode virtiofs` });
  });
  if (code === 0) return;
  const words = stderr.trim().slice(-1000);
  if (/No space left on device|Disk quota exceeded/.test(words)) throw new DomainError('STORAGE_FULL', `${command}: ${words}`, { remedy: 'free space in the state directory' });
  throw new DomainError('ROOTFS_FAILED', `${command} ended with code ${code}: ${words}`, { remedy: 'use --rootfs-mode virtiofs' });
}
