import { PullImageRequest, PullPolicy, type ImageResult, type RegistryAuth } from '../../gen/vivarium/v1/image.ts';
import { CliError, UsageError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { LayerBars } from '../format/layer-bars.ts';
import { describeBytes, describeCount } from '../format/quantity.ts';

interface PullFlags {
  readonly platform?: string;
  readonly policy: string;
  readonly insecure?: boolean;
  readonly creds?: string;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly quiet?: boolean;
}

const longestPassword = 65_536;

/** `viv pull`: progress on standard error, the image's id on standard output. */
export const pullImage: Action<PullFlags> = async (context, operands, flags) => {
  const request = PullImageRequest.fromPartial({
    requestId: context.requestId(),
    reference: operands[0] ?? '',
    policy: pullPolicy(flags.policy, '--policy'),
    insecure: flags.insecure === true,
    platform: flags.platform ?? '',
  });
  const auth = await credentials(context, flags);
  const { image, upToDate, fetchedBytes } = await pull(context, { ...request, auth }, flags.quiet === true);
  if (flags.quiet !== true) {
    const what = upToDate ? 'up to date' : `${describeCount(image?.layers.length ?? 0, 'layer')}, ${describeBytes(fetchedBytes)} fetched`;
    context.host.stderr.write(`${image?.name ?? request.reference}: ${what}\n`);
  }
  context.host.stdout.write(`${image?.digest ?? ''}\n`);
  return ExitCode.ok;
};

/** Shows how far a pull is, and resolves with what it brought. */
export async function pull(context: CommandContext, request: PullImageRequest, quiet: boolean): Promise<ImageResult> {
  using bars = quiet ? undefined : new LayerBars(context.host.stderr);
  const { images } = await context.connect('images');
  for await (const { message } of images.pullImage(request)) {
    if (message?.$case === 'progress') bars?.show(message.value);
    if (message?.$case === 'result') return message.value;
  }
  throw new CliError('the daemon ended the pull without a result');
}

/** Fetches an image for a container that is to be made from it. */
export async function pullByName(context: CommandContext, reference: string, policy: 'missing' | 'always'): Promise<void> {
  await pull(context, PullImageRequest.fromPartial({ requestId: context.requestId(), reference, policy: pullPolicy(policy, '--pull') }), false);
}

/** @throws {UsageError} */
export function pullPolicy(text: string, flag: string): PullPolicy {
  switch (text) {
    case 'missing':
      return PullPolicy.PULL_POLICY_MISSING;
    case 'always':
      return PullPolicy.PULL_POLICY_ALWAYS;
    case 'never':
      return PullPolicy.PULL_POLICY_NEVER;
    default:
      throw new UsageError(`${flag}: there is no "${text}"`, 'known are missing, always and never');
  }
}

async function credentials(context: CommandContext, { creds, username, passwordStdin }: PullFlags): Promise<RegistryAuth | undefined> {
  if (creds !== undefined && username !== undefined) throw new UsageError('--creds and --username exclude each other');
  const colon = creds?.indexOf(':') ?? -1;
  const user = username ?? (colon < 0 ? creds : creds?.slice(0, colon));
  if (user === undefined) {
    if (passwordStdin === true) throw new UsageError('--password-stdin needs --username');
    return undefined;
  }
  const given = colon < 0 ? undefined : creds?.slice(colon + 1);
  const password = passwordStdin === true ? await passwordFrom(context) : given;
  if (password === undefined) throw new UsageError('there is no password', 'hand it in with --password-stdin');
  return { username: user, password, identityToken: '' };
}

async function passwordFrom({ host }: CommandContext): Promise<string> {
  let text = '';
  for await (const chunk of host.stdin) {
    text += String(chunk);
    if (text.length > longestPassword) throw new UsageError('--password-stdin: what comes is no password');
  }
  return text.replace(/\r?\n$/, '');
}
