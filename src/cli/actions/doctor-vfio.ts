import { ExplainVfioResponse, type VfioFunction, type VfioGroup } from '../../gen/vivarium/v1/host.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import type { Column } from '../format/table.ts';
import { checkStatusWord, remediesText } from './doctor.ts';

interface Row {
  readonly group: VfioGroup;
  readonly member: VfioFunction;
}

/** `viv doctor vfio`: 0 when PCI devices can be passed on here, 1 when not. */
export const doctorVfio: Action<ListingFlags> = async (context, _operands, flags) => {
  const report = await (await context.connect('host')).host.explainVfio({});
  if (flags.output !== 'json') {
    context.host.stdout.write(report.checks.map(({ name, status, found }) => `${checkStatusWord(status).padEnd(5)} ${name}: ${found}\n`).join(''));
    context.host.stdout.write(`${remediesText(report.checks)}\n`);
  }
  printListing(context, flags, {
    columns: columns(),
    rows: report.groups.flatMap((group) => group.functions.map((member): Row => ({ group, member }))),
    json: ExplainVfioResponse.toJSON(report),
  });
  if (flags.output !== 'json') {
    const refused = report.groups.filter(({ reason }) => reason !== '').map(({ number, reason, remedy }) => `  ${number}: ${reason}${remedy === '' ? '' : `\n     ${remedy}`}\n`);
    context.host.stdout.write(`${refused.length > 0 ? `\ngroups that can't be passed on now:\n${refused.join('')}` : ''}\nPCI devices can ${report.usable ? '' : 'NOT '}be passed on here\n`);
  }
  return report.usable ? ExitCode.ok : ExitCode.failed;
};

function columns(): Column<Row>[] {
  return [
    { title: 'GROUP', text: ({ group }) => String(group.number) },
    { title: 'DEVICE', text: ({ member }) => member.address },
    { title: 'ID', text: ({ member }) => `${member.vendor}:${member.device}` },
    { title: 'CLASS', text: ({ member }) => className(member) },
    { title: 'DRIVER', text: ({ member }) => (member.driver === '' ? '-' : member.driver) },
    { title: 'CAN BE PASSED ON', text: ({ group, member }) => (member.bridge ? 'stays' : group.usable ? 'yes' : 'no') },
    { title: 'USED FOR', text: ({ member }) => (member.sandboxId === '' ? member.use : `${member.deviceId} of sandbox ${member.sandboxId.slice(-10)}`) },
    { title: 'BARS', text: ({ member }) => describeBytes(member.barBytes), wide: true },
    { title: 'NUMA', text: ({ member }) => (member.numaNode < 0 ? '-' : String(member.numaNode)), wide: true },
    { title: 'BUS', text: ({ member }) => (member.express ? 'PCI Express' : 'PCI'), wide: true },
  ];
}

/** Of the classes of PCI, those that somebody passes on or meets. */
const CLASSES: Readonly<Record<string, string>> = {
  '0100': 'SCSI', '0101': 'IDE', '0104': 'RAID', '0106': 'SATA', '0107': 'SAS', '0108': 'NVMe', '0180': 'storage', '0200': 'Ethernet', '0207': 'InfiniBand', '0280': 'network', '0300': 'VGA', '0302': '3D',
  '0380': 'display', '0403': 'audio', '0600': 'host bridge', '0601': 'ISA bridge', '0604': 'PCI bridge', '0c03': 'USB', '0c05': 'SMBus', '0b40': 'coprocessor', '1200': 'accelerator',
};

function className({ classCode }: VfioFunction): string {
  return CLASSES[classCode] ?? classCode;
}
