import { describeBytes } from '../format/quantity.ts';
import { describeSpan } from '../format/relative-time.ts';
import { percentText } from '../format/cpu-percent.ts';
import { renderTable, type Column } from '../format/table.ts';
import type { SandboxRow, TopRow } from './rows.ts';

interface Line {
  readonly row: TopRow;
  readonly indent: string;
}

const bytes = (value: bigint | undefined): string => (value === undefined ? '' : describeBytes(value));

const columns: readonly Column<Line>[] = [
  { title: 'NAME', text: ({ row, indent }) => `${indent}${row.name === '' ? row.shortId : row.name}`, maxWidth: 32 },
  { title: 'ID', text: ({ row }) => row.shortId },
  { title: 'STATE', text: ({ row }) => row.state },
  { title: 'CPU %', text: ({ row }) => percentText(row.cpuPercent), right: true },
  { title: 'MEMORY', text: ({ row }) => bytes(row.memoryBytes), right: true },
  { title: 'OF', text: ({ row }) => bytes(row.memoryLimitBytes), right: true },
  { title: 'PSS', text: ({ row }) => bytes(row.pssBytes), right: true },
  { title: 'UPTIME', text: ({ row }) => (row.uptimeMs === undefined ? '' : describeSpan(row.uptimeMs)) },
];

/** Sandboxes, and below each one its containers. */
export function topTable(rows: readonly SandboxRow[], wide: boolean): string {
  const lines = rows.flatMap((row): Line[] => [{ row, indent: '' }, ...row.containers.map((container) => ({ row: container, indent: '  ' }))]);
  return renderTable(columns, lines, { wide });
}

/** The same by names, for programs; 64-bit numbers are strings as in every other answer, what is not known is left out. */
export const topJson = (rows: readonly SandboxRow[]): unknown => ({
  sandboxes: rows.map((row) => ({ ...rowJson(row), containers: row.containers.map(rowJson) })),
});

const rowJson = ({ id, name, state, cpuPercent, memoryBytes, memoryLimitBytes, pssBytes, uptimeMs }: TopRow): Record<string, unknown> => ({
  id,
  name,
  state,
  cpuPercent: cpuPercent === undefined ? undefined : Math.round(cpuPercent * 10) / 10,
  memoryBytes: memoryBytes?.toString(),
  memoryLimitBytes: memoryLimitBytes?.toString(),
  pssBytes: pssBytes?.toString(),
  uptimeSeconds: uptimeMs === undefined ? undefined : Math.floor(uptimeMs / 1000),
});
