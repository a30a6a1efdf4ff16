import { resolve } from 'node:path';
import { ImportImageRequest, type ImportImageResult } from '../../gen/vivarium/v1/image.ts';
import { splitEntrypoint } from '../args/command-line.ts';
import { parseEnv, parseKeyValues } from '../args/key-values.ts';
import { CliError } from '../cli-error.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { LayerBars } from '../format/layer-bars.ts';
import { describeCount } from '../format/quantity.ts';

interface ImportFlags {
  readonly entrypoint?: string;
  readonly cmd?: string;
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly stopSignal?: string;
  readonly volume: readonly string[];
  readonly label: readonly string[];
  readonly quiet?: boolean;
}

/** `viv image import`: progress on standard error, the ids of the images on standard output. */
export const importImage: Action<ImportFlags> = async (context, operands, flags) => {
  const [path = '', reference = ''] = operands;
  const request = ImportImageRequest.fromPartial({
    requestId: context.requestId(),
    path: resolve(context.cwd, path),
    reference,
    config: {
      entrypoint: splitEntrypoint(flags.entrypoint),
      command: splitEntrypoint(flags.cmd),
      env: parseEnv(flags.env, context.host.env),
      workingDir: flags.workdir ?? '',
      user: flags.user ?? '',
      stopSignal: flags.stopSignal ?? '',
      volumes: [...flags.volume],
      labels: parseKeyValues(flags.label, '--label', { bare: true }),
    },
  });
  using bars = flags.quiet === true ? undefined : new LayerBars(context.host.stderr);
  let result: ImportImageResult | undefined;
  for await (const { message } of (await context.connect('images')).images.importImage(request)) {
    if (message?.$case === 'progress') bars?.show(message.value);
    if (message?.$case === 'result') result = message.value;
  }
  if (result === undefined) throw new CliError('the daemon ended the import without a result');
  if (flags.quiet !== true) context.host.stderr.write(result.images.map(({ name, layers }) => `${name}: ${describeCount(layers.length, 'layer')}\n`).join(''));
  context.host.stdout.write(result.images.map(({ digest }) => `${digest}\n`).join(''));
  return ExitCode.ok;
};
