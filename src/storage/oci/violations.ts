import { invalidRequest } from '../../core/model/errors.ts';
import type { FieldViolation } from '../../core/model/errors.ts';

/** Gathers what is wrong with a request, so that the caller hears all of it at once. */
export class Violations {
  readonly #found: FieldViolation[] = [];

  add(field: string, description: string): void {
    this.#found.push({ field, description });
  }

  get list(): readonly FieldViolation[] {
    return this.#found;
  }

  /** Throws INVALID_REQUEST with all of them, if there are any. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw invalidRequest(this.#found);
  }
}
