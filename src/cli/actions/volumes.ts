import { GetVolumeStatsResponse, Volume, VolumeKind, volumeKindToJSON } from '../../gen/vivarium/v1/volume.ts';
import { parseFilters } from '../args/filters.ts';
import { parseKeyValues } from '../args/key-values.ts';
import { octal } from '../args/mounts.ts';
import { parseSize } from '../args/size.ts';
import { UsageError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { prettyJson } from '../format/json.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import { timeAgo } from '../format/relative-time.ts';
import { required } from './create-container.ts';
import { forEachOperand } from './for-each-operand.ts';

interface CreateFlags {
  readonly kind: string;
  readonly size?: string;
  readonly fs?: string;
  readonly mode?: string;
  readonly label: readonly string[];
}

const KINDS: Readonly<Record<string, VolumeKind>> = { directory: VolumeKind.VOLUME_KIND_DIRECTORY, block: VolumeKind.VOLUME_KIND_BLOCK };

/** `viv volume create`: prints the name. */
export const createVolume: Action<CreateFlags> = async (context, [name = ''], flags) => {
  const kind = KINDS[flags.kind];
  if (kind === undefined) throw new UsageError(`--kind: there is no "${flags.kind}"`, 'known are directory and block');
  if (flags.kind === 'block' && flags.size === undefined) throw new UsageError('a block volume needs a size', 'give it with --size 1G');
  const { volumes } = await context.connect('volumes');
  const { volume } = await volumes.createVolume({
    requestId: context.requestId(),
    volume: {
      name,
      kind,
      labels: parseKeyValues(flags.label, '--label', { bare: true }),
      mode: flags.mode === undefined ? 0 : octal(flags.mode, '--mode'),
      sizeBytes: flags.size === undefined ? 0n : parseSize(flags.size, '--size'),
      filesystem: flags.fs ?? '',
    },
  });
  context.host.stdout.write(`${nameOf(required(volume, 'CreateVolume'))}\n`);
  return ExitCode.ok;
};

/** `viv volume ls`. */
export const listVolumes: Action<ListingFlags & { readonly filter: readonly string[] }> = async (context, _operands, flags) => {
  const filters = parseFilters(flags.filter, ['label', 'dangling']);
  const dangling = filters.dangling.at(-1);
  const { volumes } = await (await context.connect('volumes')).volumes.listVolumes({ labels: parseKeyValues(filters.label, '--filter label', { bare: true }), unused: dangling === 'true' });
  const shown = dangling === 'false' ? volumes.filter(({ usedBy }) => usedBy.length > 0) : volumes;
  const now = context.host.clock.now();
  printListing(context, flags, {
    columns: [
      { title: 'NAME', text: nameOf },
      { title: 'KIND', text: ({ spec }) => enumText(volumeKindToJSON(spec?.kind ?? 0), 'VOLUME_KIND_') },
      { title: 'SIZE', text: ({ spec }) => (spec?.kind === VolumeKind.VOLUME_KIND_BLOCK ? describeBytes(spec.sizeBytes) : '') },
      { title: 'CREATED', text: ({ createdAt }) => timeAgo(createdAt, now) },
      { title: 'IN USE', text: ({ usedBy }) => (usedBy.length === 0 ? '' : String(usedBy.length)) },
      { title: 'FS', text: ({ spec }) => spec?.filesystem ?? '', wide: true },
      { title: 'ANONYMOUS', text: ({ anonymous }) => (anonymous ? 'yes' : ''), wide: true },
      { title: 'PATH', text: ({ hostPath }) => hostPath, wide: true },
    ],
    rows: shown,
    json: { volumes: shown.map((volume) => Volume.toJSON(volume)) },
    id: nameOf,
  });
  return ExitCode.ok;
};

/** `viv volume inspect`: a JSON array, in the order asked for. */
export const inspectVolumes: Action<object> = async (context, operands) => {
  const { volumes } = await context.connect('volumes');
  const found = await Promise.all(operands.map(async (name) => Volume.toJSON(required((await volumes.getVolume({ name })).volume, 'GetVolume'))));
  context.host.stdout.write(prettyJson(found));
  return ExitCode.ok;
};

/** `viv volume rm`. */
export const removeVolumes: Action<{ readonly force?: boolean }> = async (context, operands, flags) => {
  const { volumes } = await context.connect('volumes');
  return await forEachOperand(context, operands, async (name) => {
    await volumes.removeVolume({ requestId: context.requestId(), name, force: flags.force === true });
    return name;
  });
};

/** `viv volume resize`: prints the size that it has now. */
export const resizeVolume: Action<{ readonly size: string }> = async (context, [name = ''], flags) => {
  const { volumes } = await context.connect('volumes');
  const { volume } = await volumes.resizeVolume({ requestId: context.requestId(), name, sizeBytes: parseSize(flags.size, '--size') });
  context.host.stdout.write(`${nameOf(required(volume, 'ResizeVolume'))}: ${describeBytes(volume?.spec?.sizeBytes ?? 0n)}\n`);
  return ExitCode.ok;
};

/** `viv volume stats`: all volumes where none is named. */
export const volumeStats: Action<ListingFlags> = async (context, operands, flags) => {
  const { volumes } = await context.connect('volumes');
  const names = operands.length > 0 ? operands : (await volumes.listVolumes({})).volumes.map(nameOf);
  const rows = await Promise.all(names.map(async (name) => ({ name, stats: await volumes.getVolumeStats({ name }) })));
  printListing(context, flags, {
    columns: [
      { title: 'NAME', text: ({ name }) => name },
      { title: 'USED', text: ({ stats }) => describeBytes(stats.usedBytes) },
      { title: 'AVAILABLE', text: ({ stats }) => describeBytes(stats.availableBytes) },
      { title: 'CAPACITY', text: ({ stats }) => describeBytes(stats.capacityBytes) },
      { title: 'FILES', text: ({ stats }) => (stats.inodes === 0n ? '' : String(stats.inodesUsed)) },
      { title: 'ON HOST', text: ({ stats }) => describeBytes(stats.hostBytes) },
    ],
    rows,
    json: { volumes: rows.map(({ name, stats }) => ({ name, ...(GetVolumeStatsResponse.toJSON(stats) as object) })) },
    id: ({ name }) => name,
  });
  return ExitCode.ok;
};

/** `viv volume prune`: names on standard output, how much that was on standard error. */
export const pruneVolumes: Action<{ readonly all?: boolean; readonly filter: readonly string[] }> = async (context, _operands, flags) => {
  const { label } = parseFilters(flags.filter, ['label']);
  const { volumes } = await context.connect('volumes');
  const { removed, freedBytes } = await volumes.pruneVolumes({ requestId: context.requestId(), all: flags.all === true, labels: parseKeyValues(label, '--filter label', { bare: true }) });
  context.host.stdout.write(removed.map((name) => `${name}\n`).join(''));
  sayFreed(context, freedBytes);
  return ExitCode.ok;
};

function sayFreed(context: CommandContext, bytes: bigint): void {
  context.host.stderr.write(`${describeBytes(bytes)} freed\n`);
}

function nameOf({ spec }: Volume): string {
  return spec?.name ?? '';
}
