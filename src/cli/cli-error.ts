import { ExitCode } from './exit-codes.ts';

/** A failure of the command line itself, with what to do about it. Shown as `viv: message` and the remedy below it. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly exitCode: number;
  readonly remedy: string;

  constructor(message: string, options: { exitCode?: number; remedy?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? ExitCode.failed;
    this.remedy = options.remedy ?? '';
  }
}

/** A flag or argument that we can't take. */
export class UsageError extends CliError {
  override readonly name = 'UsageError';

  constructor(message: string, remedy = '') {
    super(message, { exitCode: ExitCode.usage, remedy });
  }
}
