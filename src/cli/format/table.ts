export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Only in the wide form. */
  readonly wide?: boolean;
  /** The longest text shown outside the wide form; longer ones end in "…". */
  readonly maxWidth?: number;
  /** Numbers line up at their ends. */
  readonly right?: boolean;
}

/** Aligned columns, three blanks between them, no blanks at the ends of lines. Ends with a line break. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], options: { wide?: boolean; full?: boolean } = {}): string {
  const shown = columns.filter((column) => column.wide !== true || options.wide === true);
  const cut = (text: string, column: Column<Row>): string => {
    const most = column.maxWidth;
    return most === undefined || options.wide === true || options.full === true || text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  };
  const cells = [shown.map((column) => column.title), ...rows.map((row) => shown.map((column) => cut(oneLine(column.text(row)), column)))];
  const widths = shown.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const aligned = (cell: string, index: number): string =>
    shown[index]?.right === true ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0);
  return cells.map((line) => `${line.map(aligned).join('   ').trimEnd()}\n`).join('');
}

/** Names and commands come from others: nothing in a cell may break the line or steer the terminal. */
const oneLine = (text: string): string => (text === '' ? '-' : text.replace(/\p{Cc}/gu, '?'));
