import { GetVersionResponse } from '../../gen/vivarium/v1/host.ts';
import { HealthCheckResponse_ServingStatus } from '../../gen/grpc/health/v1/health.ts';
import { askVersion } from '../client/ask-version.ts';
import type { Clients } from '../client/clients.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { prettyJson } from '../format/json.ts';
import { describeSpan } from '../format/relative-time.ts';
import { listPages } from './list-pages.ts';

/** `viv daemon status`: 0 when it runs, 3 when not. */
export const daemonStatus: Action<{ readonly output: string }> = async (context, _operands, flags) => {
  const version = await askVersion(context);
  if (version === undefined) {
    const text = flags.output === 'json' ? prettyJson({ state: 'stopped', address: context.address.text }) : `stopped (no answer at ${context.address.text})\n`;
    context.host.stdout.write(text);
    return ExitCode.notRunning;
  }
  const clients = await context.connect('health', 'sandboxes');
  const [state, sandboxes] = await Promise.all([servingState(clients), countSandboxes(clients)]);
  context.host.stdout.write(flags.output === 'json'
    ? prettyJson({ state, address: context.address.text, sandboxes, daemon: GetVersionResponse.toJSON(version) })
    : statusText(context, version, state, sandboxes));
  return ExitCode.ok;
};

function statusText(context: CommandContext, version: GetVersionResponse, state: string, sandboxes: number): string {
  const uptime = version.startedAt === undefined ? '-' : describeSpan(context.host.clock.now().getTime() - version.startedAt.getTime());
  return [
    state,
    `pid:        ${version.pid}`,
    `version:    ${version.version}`,
    `uptime:     ${uptime}`,
    `sandboxes:  ${sandboxes}`,
    `socket:     ${context.address.text}`,
    '',
  ].join('\n');
}

async function servingState(clients: Clients<'health'>): Promise<string> {
  const { status } = await clients.health.check({ service: '' });
  return status === HealthCheckResponse_ServingStatus.SERVING ? 'running' : 'not ready';
}

async function countSandboxes(clients: Clients<'sandboxes'>): Promise<number> {
  return (await listPages((pageToken) => clients.sandboxes.listSandboxes({ pageToken }), (response) => response.sandboxes)).length;
}
