import { invalidRequest } from '../../core/model/errors.ts';
import type { FieldViolation } from '../../core/model/errors.ts';
import { LIMITS } from './limits.ts';

/** Gathers what is wrong with one request, so that the client is told everything at once. */
export class FieldErrors {
  readonly #violations: FieldViolation[] = [];
  #more = 0;

  /** `field` is the path as the client wrote it, in proto names: `spec.env[2]`. */
  add(field: string, description: string): void {
    if (this.#violations.length < LIMITS.violations) this.#violations.push({ field, description });
    else this.#more += 1;
  }

  /** Adds when the condition does not hold; returns the condition. */
  check(holds: boolean, field: string, description: string): boolean {
    if (!holds) this.add(field, description);
    return holds;
  }

  get empty(): boolean {
    return this.#violations.length === 0;
  }

  /** Throws INVALID_REQUEST with every field error, when there is one. */
  throwIfAny(): void {
    if (this.empty) return;
    const rest = this.#more === 0 ? [] : [{ field: '', description: `and ${this.#more} more field errors` }];
    throw invalidRequest([...this.#violations, ...rest]);
  }
}

/** Runs the checks of one request and answers its parsed form, or throws all field errors at once. */
export function parsed<T>(parse: (errors: FieldErrors) => T): T {
  const errors = new FieldErrors();
  const value = parse(errors);
  errors.throwIfAny();
  return value;
}
