import { AuditedResource, AuditResponse, AuditState, auditStateToJSON } from '../../gen/vivarium/v1/host.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { printListing, type Listing, type ListingFlags } from '../format/listing.ts';
import { shortId } from '../format/short-id.ts';
import { withSlowNotice } from '../format/slow-notice.ts';

export interface AuditFlags extends ListingFlags {
  readonly all?: boolean;
  readonly reap?: boolean;
  readonly failed?: boolean;
}

/** What a person is to know of without asking for everything. */
const NOTABLE: ReadonlySet<AuditState> = new Set([AuditState.AUDIT_STATE_ORPHANED, AuditState.AUDIT_STATE_MISSING, AuditState.AUDIT_STATE_UNREADABLE]);

/** `viv doctor audit`: 0 when nothing is orphaned or missing, 1 when something is. */
export const audit: Action<AuditFlags> = async (context, _operands, flags) => {
  const all = flags.all === true || flags.output !== 'table';
  const { host } = await context.connect('host');
  const [reap, retryFailed] = [flags.reap === true, flags.failed === true];
  // An id is for what changes something: the answer to a plain look is not worth remembering.
  const request = { requestId: reap || retryFailed ? context.requestId() : '', reap, retryFailed, all };
  const report = await withSlowNotice(context.host, 'looking at the host…', () => host.audit(request, { signal: context.signal }));
  const rows = all ? report.resources : report.resources.filter(({ state }) => NOTABLE.has(state));
  const listing: Listing<AuditedResource> = {
    columns: [
      { title: 'KIND', text: (row) => row.kind },
      { title: 'NAME', text: (row) => row.name },
      { title: 'OWNER', text: ownerText },
      { title: 'STATE', text: (row) => stateText(row.state) },
      { title: 'DETAIL', text: (row) => row.detail, maxWidth: 60 },
      { title: 'ATTRIBUTES', text: (row) => Object.entries(row.attributes).map(([key, value]) => `${key}=${value}`).join(' '), wide: true },
    ],
    rows,
    json: { ...(AuditResponse.toJSON(report) as object), resources: rows.map((row) => AuditedResource.toJSON(row)) },
  };
  if (rows.length > 0 || flags.output !== 'table') printListing(context, flags, listing);
  if (flags.output !== 'json') context.host.stdout.write(`${rows.length > 0 ? '\n' : ''}${summary(report)}`);
  return report.clean && report.resisting.length === 0 ? ExitCode.ok : ExitCode.failed;
};

function summary({ counts, removed, resisting, clean }: AuditResponse): string {
  const sums = new Map<AuditState, number>();
  for (const { state, count } of counts) sums.set(state, (sums.get(state) ?? 0) + count);
  const words = [...sums].sort(([a], [b]) => a - b).map(([state, count]) => `${count} ${stateText(state)}`);
  const lines = [
    ...removed.map((resource) => `removed ${resource.kind} ${resource.name}`),
    ...resisting.map(({ resource, reason }) => `not removed: ${resource?.kind ?? ''} ${resource?.name ?? ''}: ${reason}`),
    `${words.length === 0 ? 'nothing on this host' : words.join(', ')}${clean ? '' : '; remove what is orphaned with "viv doctor audit --reap"'}`,
  ];
  return lines.map((line) => `${line.replace(/\p{Cc}/gu, '?')}\n`).join('');
}

function ownerText({ sandboxId, containerId }: AuditedResource): string {
  if (sandboxId === '') return 'daemon';
  return containerId === '' ? shortId(sandboxId) : `${shortId(sandboxId)}/${shortId(containerId)}`;
}

function stateText(state: AuditState): string {
  return enumText(auditStateToJSON(state), 'AUDIT_STATE_');
}
