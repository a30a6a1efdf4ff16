import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { fakeServices } from '../fakes/fake-services.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';
import { skippable } from '../skip.ts';
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

skippable('grpcurl', program === undefined).describe('grpcurl without any .proto file', () => {
  /** Flags, then what comes after the socket: a verb or a method. */
  const call = async (api: ApiHarness, flags: readonly string[], ...rest: string[]): Promise<string> => (await run(program ?? '', ['-plaintext', '-unix', ...flags, api.socketPath, ...rest])).stdout;

  it('lists and describes the services', async () => {
    await using api = await ApiHarness.start(fakeServices());
    expect((await call(api, [], 'list')).trim().split('\n')).toContain('vivarium.v1.SandboxService');
    expect(await call(api, [], 'describe', 'vivarium.v1.ExecRequest')).toContain('.vivarium.v1.ExecStart start = 1');
  });

  it('calls, with values and with an error', async () => {
    await using api = await ApiHarness.start(fakeServices({ sandboxes: { get: () => sandboxRecord() } }));
    expect(JSON.parse(await call(api, ['-d', '{"sandbox_id":"sb"}'], 'vivarium.v1.SandboxService/GetSandbox'))).toMatchObject({ sandbox: { id: SANDBOX_ID } });
    await expect(call(api, ['-d', '{}'], 'vivarium.v1.SandboxService/GetSandbox')).rejects.toMatchObject({ stderr: expect.stringMatching(/INVALID_REQUEST[\s\S]*sandbox_id/) as string });
  });

  it('asks for health', async () => {
    await using api = await ApiHarness.start(fakeServices());
    expect(JSON.parse(await call(api, [], 'grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
  });
});
