/**
 * What follows the image or the container belongs to the command; one `--` between them only separates.
 * `run busybox -- sh -c x` and `run busybox sh -c x` are the same.
 */
export function commandAfter(operands: readonly string[]): string[] {
  return operands[0] === '--' ? operands.slice(1) : [...operands];
}

/** Splits `--entrypoint` at blanks; nothing is quoted there, a path with blanks needs a shell. */
export const splitEntrypoint = (text: string | undefined): string[] => (text ?? '').split(/\s+/).filter((word) => word !== '');
