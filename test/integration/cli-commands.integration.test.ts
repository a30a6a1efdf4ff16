import { Status } from 'nice-grpc';
import { BadRequest, RichServerError } from 'nice-grpc-error-details';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ContainerState } from '../../src/gen/vivarium/v1/container.ts';
import { AuditState } from '../../src/gen/vivarium/v1/host.ts';
import { FakeDaemon } from './cli-fake-daemon.ts';
import { CliRun } from './cli-harness.ts';

let daemon: FakeDaemon;
beforeEach(async () => { daemon = await FakeDaemon.start(); });
afterEach(async () => { await daemon.stop(); });

const viv = (argv: readonly string[], options: Partial<ConstructorParameters<typeof CliRun>[1]> = {}): CliRun => new CliRun(argv, { host: daemon.address, ...options });

async function outcome(argv: readonly string[], options: Partial<ConstructorParameters<typeof CliRun>[1]> = {}): Promise<{ code: number; out: string; err: string }> {
  const run = viv(argv, options);
  const code = await run.exitCode;
  return { code, out: run.stdout.text, err: run.stderr.text };
}

test('ps shows what runs; -a also what ended', async () => {
  const sandbox = daemon.addSandbox({});
  daemon.addContainer({ sandboxId: sandbox.id, image: 'busybox', command: ['sleep', '9'], spec: { name: 'web' }, createdAt: new Date(Date.now() - 150_000) });
  daemon.addContainer({ sandboxId: sandbox.id, spec: { name: 'job' }, state: ContainerState.CONTAINER_STATE_EXITED, exit: { code: 7 } });
  const running = await outcome(['ps']);
  expect(running.out).toMatch(/^CONTAINER ID +NAME +SANDBOX +IMAGE +COMMAND +CREATED +STATE +EXIT\n/);
  expect(running.out).toMatch(new RegExp(`\\n\\w{10} +web +${sandbox.shortId} +busybox +sleep 9 +2 minutes ago +running +-\\n$`));
  expect((await outcome(['ps', '-a'])).out).toMatch(/job .*exited +7\n/);
  expect((await outcome(['ps', '-q', '--no-trunc', '--filter', 'state=exited'])).out).toMatch(/^019c[0-9a-f-]{32}\n$/);
});

test('every listing answers -o json with valid JSON, also when it is empty', async () => {
  for (const argv of [['ps', '-a'], ['sandbox', 'ls'], ['image', 'ls'], ['profile', 'ls']]) {
    const { code, out } = await outcome([...argv, '-o', 'json']);
    expect(code).toBe(0);
    expect(Object.values(JSON.parse(out) as Record<string, unknown[]>)[0]).toBeInstanceOf(Array);
  }
});

test('sandbox ls follows the pages', async () => {
  for (let count = 0; count < 5; count += 1) daemon.addSandbox({});
  expect((await outcome(['sandbox', 'ls', '-q'])).out.trim().split('\n')).toHaveLength(5);
});

test('-o wide adds columns, an unknown form is a usage error', async () => {
  expect((await outcome(['sandbox', 'ls', '-o', 'wide'])).out).toContain('VMM PID');
  expect((await outcome(['sandbox', 'ls', '-o', 'xml'])).code).toBe(2);
});

test('inspect finds containers and sandboxes by name', async () => {
  daemon.addContainer({ spec: { name: 'web' }, phases: [{ name: 'p', duration: { seconds: 1n, nanos: 500_000_000 } }] });
  daemon.addSandbox({ spec: { name: 'box' } });
  const { out } = await outcome(['inspect', 'web', 'box']);
  expect(JSON.parse(out)).toMatchObject([{ spec: { name: 'web' }, phases: [{ duration: '1.500s' }] }, { spec: { name: 'box' } }]);
  const missing = await outcome(['inspect', 'nope']);
  expect(missing).toMatchObject({ code: 1, err: 'viv: there is no container and no sandbox "nope"\n  fix: see viv ps -a and viv sandbox ls\n' });
});

test('rm goes on after a failure and ends with 1; -f forgives what is gone', async () => {
  daemon.addContainer({ spec: { name: 'a' } });
  expect(await outcome(['rm', 'nope', 'a'])).toMatchObject({ code: 1, out: 'a\n', err: 'viv: there is no container "nope"\n  fix: see viv ps -a\n' });
  expect(await outcome(['rm', '-f', 'nope'])).toMatchObject({ code: 0, err: '' });
});

test('every field error of a request is shown', async () => {
  daemon.beforeCreateSandbox = async () => {
    throw new RichServerError(Status.INVALID_ARGUMENT, 'the request is not valid', [BadRequest.fromPartial({
      fieldViolations: [{ field: 'spec.name', description: 'is too long' }, { field: 'spec.profile', description: 'must not be empty' }],
    })]);
  };
  expect(await outcome(['sandbox', 'create'])).toMatchObject({ code: 1, err: 'viv: the request is not valid\n  spec.name: is too long\n  spec.profile: must not be empty\n' });
});

test('logs go to the stream they were written to, with times when asked', async () => {
  daemon.script = async (process) => {
    process.write('stdout', 'one\ntwo\n');
    process.write('stderr', 'bad\n');
    return 0;
  };
  daemon.addContainer({ spec: { name: 'web' } });
  await outcome(['start', '-a', 'web']);
  expect(await outcome(['logs', '-t', 'web'])).toEqual({ code: 0, out: '1970-01-01T00:00:00.000Z one\n1970-01-01T00:00:00.000Z two\n', err: '1970-01-01T00:00:00.000Z bad\n' });
});

test('wait prints the code and ends with 0', async () => {
  daemon.script = async () => 9;
  daemon.addContainer({ spec: { name: 'web' } });
  await outcome(['start', '-a', 'web']);
  expect(await outcome(['wait', 'web'])).toMatchObject({ code: 0, out: '9\n' });
});

test('doctor shows what to do, and ends with 1 when containers can not be run', async () => {
  const { code, out } = await outcome(['doctor']);
  expect(code).toBe(1);
  expect(out).toMatch(/FAIL +kvm +no \/dev\/kvm\n[^]*kvm: load the kvm module/);
});

test('doctor vfio shows groups, what they are used for, and why one can not be passed on', async () => {
  const { code, out } = await outcome(['doctor', 'vfio']);
  expect(code).toBe(0);
  expect(out).toContain('ok    iommu: dmar0; 2 groups\n');
  expect(out).toMatch(/GROUP +DEVICE +ID +CLASS +DRIVER +CAN BE PASSED ON +USED FOR\n3 +0000:00:03.0 +1af4:1041 +Ethernet +virtio-pci +yes .*\n4 +0000:00:04.0 +1af4:1042 +SCSI +virtio-pci +no +\/dev\/vdb is mounted on \/data\n/);
  expect(out).toContain("groups that can't be passed on now:\n  4: the host uses 0000:00:04.0: /dev/vdb is mounted on /data\n     let go of it\n");
  expect(JSON.parse((await outcome(['doctor', 'vfio', '-o', 'json'])).out)).toMatchObject({ usable: true, groups: [{ number: 3 }, { number: 4 }] });
});

test('doctor audit shows what is wrong and a summary, and ends with 1 while anything is', async () => {
  const owned = { kind: 'mount', name: '/run/a', sandboxId: '0190f4a8b7c27def8a12345678abcdef', state: AuditState.AUDIT_STATE_OWNED };
  const orphan = { kind: 'process', name: 'pid 7', sandboxId: '00000000aa', containerId: '', state: AuditState.AUDIT_STATE_ORPHANED, detail: 'no record of its sandbox' };
  const moving = { kind: 'mount', name: '/run/b', sandboxId: '0190f4a8b7c27def8a12345678abcdef', state: AuditState.AUDIT_STATE_IN_FLIGHT };
  daemon.auditReply = { resources: [owned, orphan, moving], counts: [{ kind: 'mount', state: owned.state, count: 1 }, { kind: 'process', state: orphan.state, count: 1 }], clean: false };
  expect(await outcome(['doctor', 'audit'])).toEqual({
    code: 1, err: '',
    out: 'KIND      NAME    OWNER        STATE      DETAIL\nprocess   pid 7   00000000aa   orphaned   no record of its sandbox\n\n1 owned, 1 orphaned; remove what is orphaned with "viv doctor audit --reap"\n',
  });
  expect((await outcome(['doctor', 'audit', '--all'])).out).toMatch(/mount +\/run\/a +5678abcdef +owned +-\n[^]*mount +\/run\/b +5678abcdef +in flight/);
  expect(daemon.audits).toEqual([{ requestId: '', reap: false, retryFailed: false, all: false }, { requestId: '', reap: false, retryFailed: false, all: true }]);
});

test('doctor audit --reap tells what was removed and what resists; nothing found is an empty list', async () => {
  const orphan = { kind: 'mount', name: '/run/a', sandboxId: '00000000aa', state: AuditState.AUDIT_STATE_ORPHANED };
  daemon.auditReply = { resources: [orphan], counts: [], removed: [{ kind: 'process', name: 'pid 7\u001b[2J' }], resisting: [{ resource: orphan, reason: 'busy: sleep (pid 8)' }], clean: false };
  const reaped = await outcome(['doctor', 'audit', '--reap', '--failed']);
  expect(reaped).toMatchObject({ code: 1, out: expect.stringMatching(/removed process pid 7\?\[2J\nnot removed: mount \/run\/a: busy: sleep \(pid 8\)\n/) as string });
  expect(daemon.audits.at(-1)).toMatchObject({ requestId: expect.stringMatching(/./) as string, reap: true, retryFailed: true });
  await outcome(['--request-id', 'nightly-1', 'doctor', 'audit', '--reap']);
  expect(daemon.audits.at(-1)).toMatchObject({ requestId: 'nightly-1' });
  daemon.auditReply = { clean: true };
  expect(await outcome(['doctor', 'audit'])).toEqual({ code: 0, out: 'nothing on this host\n', err: '' });
  expect(JSON.parse((await outcome(['doctor', 'audit', '-o', 'json'])).out)).toEqual({ clean: true, resources: [] });
});

test('version shows both; without a daemon only ours', async () => {
  expect((await outcome(['version'])).out).toMatch(/^viv 1\.2\.3 \(node .*\)\nvivd 9\.9\.9 /);
  const alone = await outcome(['version'], { host: 'unix:/tmp/vv-none.sock' });
  expect(alone).toMatchObject({ code: 0, out: expect.stringContaining('no answer at unix:/tmp/vv-none.sock') as string });
  expect(JSON.parse((await outcome(['version', '-o', 'json'])).out)).toMatchObject({ client: { version: '1.2.3' }, server: { version: '9.9.9' } });
});

test('no daemon: what to do is said, with the address', async () => {
  expect(await outcome(['ps'], { host: 'unix:/tmp/vv-none.sock' })).toMatchObject({
    code: 1, err: 'viv: cannot reach the daemon at unix:/tmp/vv-none.sock: there is no such socket — start it with "viv daemon start"\n',
  });
  expect((await outcome(['run', 'busybox'], { host: 'unix:/tmp/vv-none.sock' })).code).toBe(125);
});

test('wrong usage is 2, and told by name', async () => {
  expect(await outcome(['frob'])).toMatchObject({ code: 2, err: expect.stringContaining('viv: unknown command \'frob\'') as string });
  expect((await outcome(['run', '--frob', 'x'])).code).toBe(2);
  expect((await outcome(['run', '--memory', 'lots', 'x'])).code).toBe(2);
  expect((await outcome(['run'])).code).toBe(2);
  expect((await outcome(['--host', 'tcp:localhost', 'ps'])).code).toBe(2);
  expect((await outcome(['--help'])).code).toBe(0);
});

test('--timeout ends a call that takes too long', async () => {
  daemon.beforeCreateSandbox = async ({ signal }) => { await new Promise((resolve) => { signal.addEventListener('abort', resolve); }); };
  expect(await outcome(['--timeout', '50ms', 'sandbox', 'create'])).toMatchObject({ code: 1, err: 'viv: the command took longer than --timeout allows\n' });
});

test('daemon status tells what runs', async () => {
  daemon.addSandbox({});
  expect((await outcome(['daemon', 'status'])).out).toMatch(/^running\npid: +\d+\nversion: +9\.9\.9\nuptime: +1 minute\nsandboxes: +1\nsocket: /);
  expect((await outcome(['daemon', 'status'], { host: 'unix:/tmp/vv-none.sock' })).code).toBe(3);
});
