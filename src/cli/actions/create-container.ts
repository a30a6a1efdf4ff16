import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Container } from '../../gen/vivarium/v1/container.ts';
import type { Mode } from '../../gen/vivarium/v1/common.ts';
import type { Clients } from '../client/clients.ts';
import { CliError, UsageError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { withSlowNotice } from '../format/slow-notice.ts';
import type { CallTiming } from '../format/timings.ts';
import { bundleHostname } from '../requests/bundle-hostname.ts';
import type { ContainerFlags, SandboxFlags } from '../requests/container-flags.ts';
import { containerSpec, sandboxNeeds, seccompFile } from '../requests/container-spec.ts';
import { refuseSandboxFlags, sandboxSpec } from '../requests/sandbox-spec.ts';
import { terminalSize } from '../stream/terminal.ts';
import { reserveCidfile } from './cidfile.ts';
import { fetchImage, imagePolicy, withImage } from './needed-image.ts';
import { containerRemoval, nothingToRemove, sandboxRemoval, type Removal } from './removal.ts';

export interface CreateFlags extends ContainerFlags, SandboxFlags {
  readonly sandbox?: string;
  readonly cidfile?: string;
  readonly pull: string;
}

/** A container that stands in its sandbox, not started. */
export interface CreatedContainer {
  readonly container: Container;
  readonly mode: Mode | undefined;
  readonly timings: readonly CallTiming[];
  /** Takes away what was made for it: the sandbox, or in a joined sandbox the container. */
  readonly removal: Removal;
}

/** Creates a sandbox, unless one is joined, and a container in it. When the second fails, the first is removed. */
export async function createContainer(context: CommandContext, clients: Clients<'sandboxes' | 'containers'>, operands: readonly string[], flags: CreateFlags): Promise<CreatedContainer> {
  const file = seccompFile(flags);
  const spec = containerSpec({
    flags,
    operands,
    env: context.host.env,
    cwd: context.cwd,
    ttySize: terminalSize(context.host),
    seccompProfile: file === undefined ? '' : await readFile(resolve(context.cwd, file), 'utf8'),
  });
  if (flags.sandbox !== undefined) refuseSandboxFlags(flags);
  const policy = imagePolicy(flags.pull);
  const image = spec.rootfs?.$case === 'image' ? spec.rootfs.value : undefined;
  if (image !== undefined && policy === 'always') await fetchImage(context, image, policy);
  await using cidfile = await reserveCidfile(context, flags.cidfile);
  await using sandbox = await provideSandbox(context, clients, flags, sandboxNeeds(spec));
  const begun = performance.now();
  const reply = await withImage(context, image, policy, () => withSlowNotice(context.host, 'creating container…', () => clients.containers.createContainer({
    requestId: context.requestId(),
    sandboxId: sandbox.id,
    spec: { ...spec, autoRemove: flags.rm === true && !sandbox.ours },
  })));
  const container = required(reply.container, 'CreateContainer');
  await cidfile.write(container.id);
  const timing = { call: 'create container', tookMs: performance.now() - begun, phases: reply.phases };
  sandbox.keep();
  return {
    container,
    mode: { ...sandbox.mode, ...present(reply.mode) } as Mode,
    timings: [...sandbox.timings, timing],
    removal: sandbox.ours ? sandboxRemoval(context, clients, sandbox.id) : containerRemoval(context, clients, container.id),
  };
}

interface ProvidedSandbox extends Removal {
  readonly id: string;
  /** Made here, not joined. */
  readonly ours: boolean;
  readonly mode: Mode | undefined;
  readonly timings: readonly CallTiming[];
}

async function provideSandbox(context: CommandContext, clients: Clients<'sandboxes'>, flags: CreateFlags, needs: ReturnType<typeof sandboxNeeds>): Promise<ProvidedSandbox> {
  if (flags.sandbox === '') throw new UsageError('--sandbox: the name is empty');
  if (flags.sandbox !== undefined) return { ...nothingToRemove, id: flags.sandbox, ours: false, mode: undefined, timings: [] };
  const begun = performance.now();
  const hostname = flags.hostname ?? (flags.bundle === undefined ? '' : await bundleHostname(resolve(context.cwd, flags.bundle)));
  const spec = sandboxSpec({ ...flags, hostname }, { label: [], annotation: [], autoRemove: flags.rm === true, ...needs });
  const reply = await withSlowNotice(context.host, 'creating sandbox…', () => clients.sandboxes.createSandbox({ requestId: context.requestId(), spec }));
  const { id } = required(reply.sandbox, 'CreateSandbox');
  const timing = { call: 'create sandbox', tookMs: performance.now() - begun, phases: reply.phases };
  return { ...sandboxRemoval(context, clients, id), id, ours: true, mode: reply.mode, timings: [timing] };
}

/** The fields of a mode that say something: a later reply fills in what the first could not know. */
function present(mode: Mode | undefined): Partial<Mode> {
  return Object.fromEntries(Object.entries(mode ?? {}).filter(([, value]) => value !== ''));
}

/** @throws {CliError} when a reply lacks what it always has */
export function required<T>(value: T | undefined, call: string): T {
  if (value === undefined) throw new CliError(`the daemon's answer to ${call} is incomplete`);
  return value;
}
