import { UsageError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { prettyJson } from './json.ts';
import { renderTable, type Column } from './table.ts';

export const outputForms = ['table', 'wide', 'json'] as const;

export interface ListingFlags {
  readonly output: string;
  readonly quiet?: boolean;
  readonly trunc?: boolean;
}

export interface Listing<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** The whole answer by the protobuf JSON mapping, for `-o json`. */
  readonly json: unknown;
  /** What `-q` prints of a row. */
  readonly id?: (row: Row) => string;
}

/** Prints a listing in the form that was asked for. */
export function printListing<Row>(context: CommandContext, flags: ListingFlags, listing: Listing<Row>): void {
  context.host.stdout.write(listingText(flags, listing));
}

/** @throws {UsageError} for a form that there is not */
export function listingText<Row>(flags: ListingFlags, { columns, rows, json, id }: Listing<Row>): string {
  const form = outputForms.find((known) => known === flags.output);
  if (form === undefined) throw new UsageError(`--output: there is no "${flags.output}"`, `known are ${outputForms.join(', ')}`);
  if (form === 'json') return prettyJson(json);
  if (flags.quiet === true && id !== undefined) return rows.map((row) => `${id(row)}\n`).join('');
  return renderTable(columns, rows, { wide: form === 'wide', full: flags.trunc === false });
}
