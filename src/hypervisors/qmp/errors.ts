/** The VMM refused a command. */
export class QmpCommandError extends Error {
  override readonly name = 'QmpCommandError';
  readonly command: string;
  /** QAPI's class: `GenericError`, `CommandNotFound`, `DeviceNotActive`, … */
  readonly errorClass: string;

  constructor(command: string, errorClass: string, description: string) {
    super(`${command}: ${description || errorClass || 'refused without a reason'}`);
    this.command = command;
    this.errorClass = errorClass;
  }
}

/** A command was not answered in time. A later answer is dropped. */
export class QmpTimeoutError extends Error {
  override readonly name = 'QmpTimeoutError';
  readonly command: string;

  constructor(command: string, timeoutMs: number) {
    super(`${command}: no answer within ${timeoutMs} ms`);
    this.command = command;
  }
}

/** The VMM said what it should not have; the connection is closed. */
export class QmpProtocolError extends Error {
  override readonly name = 'QmpProtocolError';
}

/** More events wait than the listener's queue holds; the connection is closed, so that the state is asked for anew instead of guessed. */
export class QmpEventOverflowError extends Error {
  override readonly name = 'QmpEventOverflowError';

  constructor(capacity: number) {
    super(`more than ${capacity} events wait`);
  }
}

/** The connection is closed; the cause says why when it was not asked for. */
export class QmpClosedError extends Error {
  override readonly name = 'QmpClosedError';

  constructor(message = 'the monitor connection is closed', cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
