import { CheckStatus, RunDoctorResponse, type DoctorCheck } from '../../gen/vivarium/v1/host.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';

const statusWords: Readonly<Record<number, string>> = {
  [CheckStatus.CHECK_STATUS_OK]: 'ok',
  [CheckStatus.CHECK_STATUS_WARN]: 'warn',
  [CheckStatus.CHECK_STATUS_FAIL]: 'FAIL',
};

export function checkStatusWord(status: CheckStatus): string {
  return statusWords[status] ?? '?';
}

/** What can be done about what was found; empty when there is nothing. */
export function remediesText(checks: readonly DoctorCheck[]): string {
  const remedies = checks.filter((check) => check.remedy !== '').map((check) => `  ${check.name}: ${check.remedy}\n`);
  return remedies.length > 0 ? `\nwhat to do:\n${remedies.join('')}` : '';
}

/** `viv doctor`: 0 when containers can be run here, 1 when not. */
export const doctor: Action<ListingFlags> = async (context, _operands, flags) => {
  const report = await (await context.connect('host')).host.runDoctor({});
  printListing(context, flags, {
    columns: [
      { title: 'STATUS', text: (row) => checkStatusWord(row.status) },
      { title: 'CHECK', text: (row) => row.name },
      { title: 'FOUND', text: (row) => row.found },
    ],
    rows: report.checks,
    json: RunDoctorResponse.toJSON(report),
  });
  if (flags.output !== 'json') {
    const verdict = report.usable ? 'containers can be run here\n' : 'containers can NOT be run here\n';
    context.host.stdout.write(`${remediesText(report.checks)}\n${verdict}`);
  }
  return report.usable ? ExitCode.ok : ExitCode.failed;
};
