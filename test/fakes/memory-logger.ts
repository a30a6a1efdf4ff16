import type { Logger } from '../../src/core/ports/telemetry.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Keeps what was logged; children share the lines. */
export class MemoryLogger implements Logger {
  readonly lines: LogLine[];
  readonly #bindings: Readonly<Record<string, unknown>>;

  constructor(lines: LogLine[] = [], bindings: Readonly<Record<string, unknown>> = {}) {
    this.lines = lines;
    this.#bindings = bindings;
  }

  child(bindings: Readonly<Record<string, string | number>>): Logger {
    return new MemoryLogger(this.lines, { ...this.#bindings, ...bindings });
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#keep('debug', fields, message);
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#keep('info', fields, message);
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#keep('warn', fields, message);
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#keep('error', fields, message);
  }

  #keep(level: LogLine['level'], fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level, message, fields: { ...this.#bindings, ...fields } });
  }
}
