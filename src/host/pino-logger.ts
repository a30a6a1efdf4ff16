import { pino, stdSerializers, type Logger as PinoBase } from 'pino';
import type { Logger } from '../core/ports/telemetry.ts';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'pretty';
  /** Where a line goes instead of to stderr. */
  readonly write?: (line: string) => void;
}

/** What never reaches a log: environment and arguments of containers may hold secrets. */
const REDACTED = ['env', '*.env', 'spec.env', '*.spec.env', 'data', '*.data', 'token', '*.token'];

/**
 * A child is its bindings alone, put in front of each line's own fields: a child of the library is kilobytes, and each sandbox and each call has some.
 */
class PinoLogger implements Logger {
  readonly #pino: PinoBase;
  readonly #bindings: Readonly<Record<string, string | number>>;

  constructor(base: PinoBase, bindings: Readonly<Record<string, string | number>> = {}) {
    this.#pino = base;
    this.#bindings = bindings;
  }

  child(bindings: Readonly<Record<string, string | number>>): Logger {
    return new PinoLogger(this.#pino, { ...this.#bindings, ...bindings });
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#write('error', fields, message);
  }

  #write(level: LoggerOptions['level'], fields: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#pino.isLevelEnabled(level)) this.#pino[level]({ ...this.#bindings, ...fields }, message);
  }
}

/** One line an event on stderr: JSON, or text for a person. Written at once, so that a crash loses none. */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? ((text: string): void => { process.stderr.write(text); });
  const json = options.write === undefined ? pino.destination({ dest: 2, sync: true }) : { write };
  const destination = options.format === 'json' ? json : { write: (line: string): void => { write(readable(line)); } };
  return new PinoLogger(
    pino(
      {
        level: options.level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: stdSerializers.errWithCause, err: stdSerializers.errWithCause },
        redact: { paths: REDACTED, censor: '[redacted]' },
      },
      destination,
    ),
  );
}

function readable(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${String(time)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${rest.length === 0 ? '' : ` (${rest.join(' ')})`}\n`;
}
