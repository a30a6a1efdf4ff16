import { BuildGuestRequest, type BuildGuestResult, type GuestFile } from '../../gen/vivarium/v1/guest.ts';
import { CliError, UsageError } from '../cli-error.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { ProgressLines } from '../format/progress-lines.ts';
import { describeBytes } from '../format/quantity.ts';
import { resolve } from 'node:path';

interface GuestBuildFlags {
  readonly kernel?: string;
  readonly module: readonly string[];
  readonly package: readonly string[];
  readonly file: readonly string[];
  readonly init?: string;
}

/** `viv guest build`: progress on standard error, the guest's directory on standard output. */
export const buildGuest: Action<GuestBuildFlags> = async (context, operands, flags) => {
  const request = BuildGuestRequest.fromPartial({
    requestId: context.requestId(),
    name: operands[0] ?? '',
    kernel: flags.kernel ?? '',
    modules: [...flags.module],
    packages: [...flags.package],
    files: flags.file.map((text) => parseGuestFile(text, context.cwd)),
    init: flags.init ?? '',
  });
  using progress = new ProgressLines(context.host.stderr);
  let result: BuildGuestResult | undefined;
  for await (const { message } of (await context.connect('guests')).guests.buildGuest(request)) {
    if (message?.$case === 'progress') progress.show(message.value);
    if (message?.$case === 'result') result = message.value;
  }
  progress.end();
  const guest = result?.guest;
  if (guest === undefined) throw new CliError('the daemon ended the build without a result');
  const done = result?.upToDate === true ? 'up to date' : 'built';
  context.host.stderr.write(`guest ${guest.name}: ${done}, kernel ${guest.kernelVersion}, ${describeBytes(guest.kernelBytes + guest.initramfsBytes)}\n`);
  context.host.stdout.write(`${guest.directory}\n`);
  return ExitCode.ok;
};

/**
 * Reads `SOURCE[:DESTINATION[:MODE]]`; the destination is the source's path unless it is given, the mode is octal.
 * @throws {UsageError}
 */
export function parseGuestFile(text: string, cwd: string): GuestFile {
  const [source = '', destination = '', mode = '', ...rest] = text.split(':');
  if (source === '' || rest.length > 0 || !/^[0-7]{0,4}$/.test(mode) || (destination !== '' && !destination.startsWith('/'))) {
    throw new UsageError(`--file: "${text}" is not SOURCE[:DESTINATION[:MODE]]`, 'the destination is an absolute path, the mode is octal');
  }
  const absolute = resolve(cwd, source);
  return { source: absolute, destination: destination === '' ? absolute : destination, mode: mode === '' ? 0 : Number.parseInt(mode, 8) };
}
