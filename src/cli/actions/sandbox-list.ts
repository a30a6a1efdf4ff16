import { causeToJSON } from '../../gen/vivarium/v1/common.ts';
import { Sandbox, SandboxState, sandboxStateToJSON } from '../../gen/vivarium/v1/sandbox.ts';
import { enumValues, parseFilters } from '../args/filters.ts';
import { parseKeyValues } from '../args/key-values.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import { timeAgo } from '../format/relative-time.ts';
import type { Column } from '../format/table.ts';
import { listPages } from './list-pages.ts';
import { labelsText } from './ps.ts';

interface SandboxListFlags extends ListingFlags {
  readonly trunc: boolean;
  readonly filter: readonly string[];
}

/** `viv sandbox ls`: every sandbox, whatever its state. */
export const listSandboxes: Action<SandboxListFlags> = async (context, _operands, flags) => {
  const filters = parseFilters(flags.filter, ['label', 'state', 'name', 'id']);
  const states = enumValues<SandboxState>(filters.state, SandboxState, 'SANDBOX_STATE_', '--filter state');
  const labels = parseKeyValues(filters.label, '--filter label', { bare: true });
  const { sandboxes } = await context.connect('sandboxes');
  const all = await listPages((pageToken) => sandboxes.listSandboxes({ labels, states, pageToken }), (response) => response.sandboxes);
  const rows = all.filter((sandbox) =>
    (filters.name.length === 0 || filters.name.some((text) => sandbox.spec?.name.includes(text)))
    && (filters.id.length === 0 || filters.id.some((text) => sandbox.id.includes(text))));
  printListing(context, flags, {
    columns: columns(context.host.clock.now(), flags.trunc),
    rows,
    json: { sandboxes: rows.map((sandbox) => Sandbox.toJSON(sandbox)) },
    id: (sandbox) => (flags.trunc ? sandbox.shortId : sandbox.id),
  });
  return ExitCode.ok;
};

function columns(now: Date, short: boolean): Column<Sandbox>[] {
  return [
    { title: 'SANDBOX ID', text: (row) => (short ? row.shortId : row.id) },
    { title: 'NAME', text: (row) => row.spec?.name ?? '' },
    { title: 'STATE', text: (row) => enumText(sandboxStateToJSON(row.state), 'SANDBOX_STATE_') },
    { title: 'CONTAINERS', text: (row) => String(row.containerIds.length) },
    { title: 'CPUS', text: (row) => String(row.vcpus) },
    { title: 'MEMORY', text: (row) => describeBytes(row.memoryBytes) },
    { title: 'ACCEL', text: (row) => row.mode?.accelerator ?? '' },
    { title: 'CREATED', text: (row) => timeAgo(row.createdAt, now) },
    { title: 'CAUSE', text: (row) => enumText(causeToJSON(row.cause), 'CAUSE_'), wide: true },
    { title: 'PROFILE', text: (row) => row.mode?.profile ?? row.spec?.profile ?? '', wide: true },
    { title: 'GUEST', text: (row) => row.mode?.guest ?? '', wide: true },
    { title: 'VMM', text: (row) => `${row.mode?.hypervisor ?? ''} ${row.mode?.hypervisorVersion ?? ''}`.trim(), wide: true },
    { title: 'VMM PID', text: (row) => (row.vmmPid === 0 ? '' : String(row.vmmPid)), wide: true },
    { title: 'CONDITIONS', text: (row) => row.conditions.map((condition) => condition.name).join(','), wide: true },
    { title: 'LABELS', text: (row) => labelsText(row.spec?.labels ?? {}), wide: true },
  ];
}
