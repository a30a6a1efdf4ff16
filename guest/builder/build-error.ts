export type BuildErrorCode =
  | 'usage'
  | 'missing_tool'
  | 'command_failed'
  | 'package_not_found'
  | 'download_failed'
  | 'checksum_mismatch'
  | 'bad_kernel'
  | 'module_not_found'
  | 'bad_input'
  | 'busy'
  | 'cancelled';

/** A failure that the caller can act on: a closed code, a sentence, and what to do about it. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly code: BuildErrorCode;
  readonly remedy: string | undefined;

  constructor(code: BuildErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}
