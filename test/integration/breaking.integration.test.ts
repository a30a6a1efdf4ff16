import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const RELEASED = join(REPOSITORY, 'proto/released/vivarium.v1.binpb');

function buf(directory: string, ...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(join(REPOSITORY, 'node_modules/@bufbuild/buf-linux-x64/bin/buf'), args, { cwd: directory, encoding: 'utf8' });
  return { code: status, output: `${stdout}${stderr}` };
}

describe('the API as it was released', () => {
  let copy = '';
  beforeEach(async () => {
    copy = await mkdtemp('/tmp/vv-buf-');
    await cp(join(REPOSITORY, 'proto'), join(copy, 'proto'), { recursive: true });
    await cp(join(REPOSITORY, 'buf.yaml'), join(copy, 'buf.yaml'));
  });
  afterEach(async () => { await rm(copy, { recursive: true, force: true }); });

  const change = async (file: string, from: string, to: string): Promise<void> => {
    const path = join(copy, 'proto/vivarium/v1', file);
    const text = await readFile(path, 'utf8');
    expect(text).toContain(from);
    await writeFile(path, text.replace(from, to));
  };

  it('is not broken by the API as it is', () => {
    expect(buf(REPOSITORY, 'breaking', '--against', RELEASED)).toEqual({ code: 0, output: '' });
  });

  it('is broken by removing a field', async () => {
    await change('sandbox.proto', '  string hostname = 3;\n', '');
    expect(buf(copy, 'breaking', '--against', RELEASED)).toMatchObject({ code: 100, output: expect.stringContaining('"3" with name "hostname" on message "SandboxSpec" was deleted') as string });
  });

  it('is broken by another number for an error reason', async () => {
    await change('error.proto', 'ERROR_REASON_INTERNAL = 32;', 'ERROR_REASON_INTERNAL = 132;');
    expect(buf(copy, 'breaking', '--against', RELEASED).code).toBe(100);
  });

  it('is broken by removing a call', async () => {
    await change('host.proto', '  rpc ListImages(ListImagesRequest) returns (ListImagesResponse);\n', '');
    expect(buf(copy, 'breaking', '--against', RELEASED).code).toBe(100);
  });

  it('is not broken by a new field', async () => {
    await change('sandbox.proto', '  string hostname = 3;\n', '  string hostname = 3;\n  string something_new = 90;\n');
    expect(buf(copy, 'breaking', '--against', RELEASED).code).toBe(0);
  });
});

describe('the style of the API', () => {
  it('passes buf\'s STANDARD lint', () => {
    expect(buf(REPOSITORY, 'lint')).toEqual({ code: 0, output: '' });
  });
});
