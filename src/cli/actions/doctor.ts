import { CheckStatus, RunDoctorResponse } from '../../gen/vivarium/v1/host.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';

const statusWords: Readonly<Record<number, string>> = {
  [CheckStatus.CHECK_STATUS_OK]: 'ok',
  [CheckStatus.CHECK_STATUS_WARN]: 'warn',
  [CheckStatus.CHECK_STATUS_FAIL]: 'FAIL',
};

/** `viv doctor`: 0 when containers can be run here, 1 when not. */
export const doctor: Action<ListingFlags> = async (context, _operands, flags) => {
  const report = await (await context.connect('host')).host.runDoctor({});
  printListing(context, flags, {
    columns: [
      { title: 'STATUS', text: (row) => statusWords[row.status] ?? '?' },
      { title: 'CHECK', text: (row) => row.name },
      { title: 'FOUND', text: (row) => row.found },
    ],
    rows: report.checks,
    json: RunDoctorResponse.toJSON(report),
  });
  if (flags.output !== 'json') {
    const remedies = report.checks.filter((check) => check.remedy !== '').map((check) => `${check.name}: ${check.remedy}\n`);
    const verdict = report.usable ? 'containers can be run here\n' : 'containers can NOT be run here\n';
    context.host.stdout.write(`${remedies.length > 0 ? `\nwhat to do:\n${remedies.map((line) => `  ${line}`).join('')}` : ''}\n${verdict}`);
  }
  return report.usable ? ExitCode.ok : ExitCode.failed;
};
