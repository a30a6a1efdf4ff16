import { Image } from '../../gen/vivarium/v1/host.ts';
import type { RemoveImageResponse } from '../../gen/vivarium/v1/image.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { prettyJson } from '../format/json.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import { timeAgo } from '../format/relative-time.ts';
import { required } from './create-container.ts';
import { forEachOperand } from './for-each-operand.ts';

const shownDigits = 12;

/** `viv image ls`, `viv images`. */
export const listImages: Action<ListingFlags> = async (context, operands, flags) => {
  const now = context.host.clock.now();
  const { images, totalBytes } = await (await context.connect('images')).images.listImages({ reference: operands[0] ?? '' });
  printListing(context, flags, {
    columns: [
      { title: 'NAME', text: (row) => row.name },
      { title: 'ID', text: (row) => (flags.trunc === false ? row.digest : row.digest.replace('sha256:', '').slice(0, shownDigits)) },
      { title: 'COMMAND', text: (row) => [...row.entrypoint, ...row.command].join(' '), maxWidth: 40 },
      { title: 'SIZE', text: (row) => describeBytes(row.sizeBytes) },
      { title: 'PULLED', text: (row) => timeAgo(row.pulledAt, now) },
      { title: 'IN USE', text: (row) => (row.usedBy.length === 0 ? '' : String(row.usedBy.length)) },
      { title: 'NAMES', text: (row) => row.names.join(' '), wide: true },
      { title: 'LAYERS', text: (row) => String(row.layers.length), wide: true },
      { title: 'PLATFORM', text: (row) => [row.os, row.architecture].filter((part) => part !== '').join('/'), wide: true },
      { title: 'SOURCE', text: (row) => row.source, wide: true },
    ],
    rows: images,
    json: { images: images.map((image) => Image.toJSON(image)), totalBytes: String(totalBytes) },
    id: (row) => row.digest,
  });
  return ExitCode.ok;
};

/** `viv image inspect`: a JSON array, in the order asked for. */
export const inspectImages: Action<object> = async (context, operands) => {
  const { images } = await context.connect('images');
  const found = await Promise.all(operands.map(async (reference) => Image.toJSON(required((await images.getImage({ reference })).image, 'GetImage'))));
  context.host.stdout.write(prettyJson(found));
  return ExitCode.ok;
};

/** `viv image rm`, `viv rmi`: one after the other, since two may be names of one image. */
export const removeImages: Action<{ readonly force?: boolean }> = async (context, operands, flags) => {
  const { images } = await context.connect('images');
  let last: Promise<unknown> = Promise.resolve();
  return await forEachOperand(context, operands, async (reference) => {
    const remove = async (): Promise<string> => removedText(await images.removeImage({ requestId: context.requestId(), reference, force: flags.force === true }));
    const turn = last.then(remove, remove);
    last = turn;
    return await turn;
  });
};

/** `viv image prune`: what was removed on standard output, how much that was on standard error. */
export const pruneImages: Action<{ readonly all?: boolean; readonly force?: boolean }> = async (context, _operands, flags) => {
  const { images } = await context.connect('images');
  const removed = await images.pruneImages({ requestId: context.requestId(), all: flags.all === true });
  const text = removedText(removed);
  if (text !== '') context.host.stdout.write(`${text}\n`);
  sayFreed(context, removed.freedBytes);
  return ExitCode.ok;
};

function removedText({ untagged, deleted }: Pick<RemoveImageResponse, 'untagged' | 'deleted'>): string {
  return [...untagged.map((name) => `untagged ${name}`), ...deleted.map((id) => `deleted ${id}`)].join('\n');
}

function sayFreed(context: CommandContext, bytes: bigint): void {
  context.host.stderr.write(`${describeBytes(bytes)} freed\n`);
}
