import type { DomainError } from '../../core/model/errors.ts';

/** What the kernel says when it has no memory left, in its report or in the call trace below it. */
const NO_MEMORY = /out of memory|out_of_memory|deadlocked on memory|page allocation failure|no killable processes|oom-kill|initramfs unpacking failed: write error/i;
const PANIC = /Kernel panic - not syncing: ([^\r\n]+)/;
const MIB = 1024 * 1024;

export interface GuestDeath {
  readonly message: string;
  /** Undefined when the failure's own remedy is the better one. */
  readonly remedy: string | undefined;
}

/**
 * What a guest died of, by the words of its console. When a guest panics its VM ends, and what is noticed first may be any of the processes and
 * sockets that hang on it ("virtiofsd ended"): true, and of no use to who reads it.
 * @param console the end of what the console said: several KiB, because a call trace follows the sentence that counts
 * @param memoryBytes what the VM has
 * @returns undefined when the console shows no death
 */
export function guestDeath(reason: DomainError, console: string, memoryBytes: number): GuestDeath | undefined {
  if (NO_MEMORY.test(console)) {
    return {
      message: `the guest ran out of memory: its VM has ${Math.round(memoryBytes / MIB)} MiB (${reason.message})`,
      remedy: 'give it more: the key "memory" of the profile, or of this sandbox (--set memory=256MiB), or a larger limit for the workload (--memory)',
    };
  }
  const words = PANIC.exec(console)?.[1];
  return words === undefined ? undefined : { message: `the guest's kernel panicked: ${words.trim()} (${reason.message})`, remedy: undefined };
}
