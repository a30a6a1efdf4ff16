import { GetVersionResponse } from '../../gen/vivarium/v1/host.ts';
import { askVersion } from '../client/ask-version.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { prettyJson } from '../format/json.ts';

interface VersionFlags {
  readonly client?: boolean;
  readonly output: string;
}

/** `viv version`: ours, and the daemon's when its socket answers. A daemon that does not run is no failure here. */
export const version: Action<VersionFlags> = async (context, _operands, flags) => {
  const server = flags.client === true ? undefined : await askVersion(context);
  const client = { version: context.version, nodeVersion: process.versions.node };
  if (flags.output === 'json') {
    context.host.stdout.write(prettyJson({ client, ...(server === undefined ? {} : { server: GetVersionResponse.toJSON(server) }) }));
    return ExitCode.ok;
  }
  const lines = [`viv ${client.version} (node ${client.nodeVersion})`];
  if (server !== undefined) lines.push(`vivd ${server.version} (node ${server.nodeVersion.replace(/^v/, '')}, api ${server.apiVersion}${server.gitCommit === '' ? '' : `, commit ${server.gitCommit}`})`);
  else if (flags.client !== true) lines.push(`vivd: no answer at ${context.address.text}`);
  context.host.stdout.write(`${lines.join('\n')}\n`);
  return ExitCode.ok;
};
