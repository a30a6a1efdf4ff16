import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fakeServices } from '../fakes/fake-services.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';
import { ApiHarness, REPOSITORY } from './api-harness.ts';

const PACKAGE = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4';
const BUILD_MS = 900_000;

const run = promisify(execFile);

/** grpcurl on the path, built before, or built now; undefined where there is neither it nor Go (test/skips.json). */
function grpcurl(): string | undefined {
  if (spawnSync('grpcurl', ['-version']).status === 0) return 'grpcurl';
  const directory = join(REPOSITORY, 'build/tools');
  const built = join(directory, 'grpcurl');
  if (existsSync(built)) return built;
  if (spawnSync('go', ['version']).status !== 0) return undefined;
  mkdirSync(directory, { recursive: true });
  const install = spawnSync('go', ['install', PACKAGE], { env: { ...process.env, GOBIN: directory }, timeout: BUILD_MS, encoding: 'utf8' });
  return install.status === 0 ? built : undefined;
}

const program = grpcurl();

describe.skipIf(program === undefined)('grpcurl without any .proto file', () => {
  const call = async (api: ApiHarness, ...args: string[]): Promise<string> => (await run(program ?? '', ['-plaintext', '-unix', ...args.slice(0, -1), api.socketPath, ...args.slice(-1)[0]!.split(' ')])).stdout;

  it('lists and describes the services', async () => {
    await using api = await ApiHarness.start(fakeServices());
    expect((await call(api, 'list')).trim().split('\n')).toContain('vivarium.v1.SandboxService');
    expect(await call(api, 'describe vivarium.v1.ExecRequest')).toContain('.vivarium.v1.ExecStart start = 1');
  });

  it('calls, with values and with an error', async () => {
    await using api = await ApiHarness.start(fakeServices({ sandboxes: { get: () => sandboxRecord() } }));
    expect(JSON.parse(await call(api, '-d', '{"sandbox_id":"sb"}', 'vivarium.v1.SandboxService/GetSandbox'))).toMatchObject({ sandbox: { id: SANDBOX_ID } });
    await expect(call(api, '-d', '{}', 'vivarium.v1.SandboxService/GetSandbox')).rejects.toMatchObject({ stderr: expect.stringContaining('vivarium') as string });
  });

  it('asks for health', async () => {
    await using api = await ApiHarness.start(fakeServices());
    expect(JSON.parse(await call(api, 'grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
  });
});
