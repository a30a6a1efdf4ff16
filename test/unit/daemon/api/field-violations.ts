import { DomainError } from '../../../../src/core/model/errors.ts';

/** The field errors that a parse ends with, as `field` → `description`; empty when it did not fail. */
export function violationsOf(parse: () => unknown): Readonly<Record<string, string>> {
  try {
    parse();
    return {};
  } catch (error) {
    if (!(error instanceof DomainError) || error.reason !== 'INVALID_REQUEST') throw error;
    return Object.fromEntries((error.details.fields ?? []).map(({ field, description }) => [field, description]));
  }
}
