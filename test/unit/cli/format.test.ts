import { expect, test } from 'vitest';
import { cpuPercent } from '../../../src/cli/format/cpu-percent.ts';
import { enumText } from '../../../src/cli/format/enum-text.ts';
import { goOn } from '../../../src/cli/format/go-on.ts';
import { prettyJson, protoJson } from '../../../src/cli/format/json.ts';
import { logLineText } from '../../../src/cli/format/log-line.ts';
import { progressText } from '../../../src/cli/format/progress-lines.ts';
import { describeBytes, describeMs } from '../../../src/cli/format/quantity.ts';
import { timeAgo } from '../../../src/cli/format/relative-time.ts';
import { shortId } from '../../../src/cli/format/short-id.ts';
import { renderTable } from '../../../src/cli/format/table.ts';
import { describeMode, renderTimings } from '../../../src/cli/format/timings.ts';
import { Mode, Phase } from '../../../src/gen/vivarium/v1/common.ts';
import { CreateSandboxResponse } from '../../../src/gen/vivarium/v1/sandbox.ts';

const columns = [
  { title: 'ID', text: (row: readonly string[]) => row[0] ?? '' },
  { title: 'COMMAND', text: (row: readonly string[]) => row[1] ?? '', maxWidth: 6 },
  { title: 'EXTRA', text: () => 'e', wide: true },
];

test('columns are aligned, long cells cut, empty ones shown as a dash', () => {
  expect(renderTable(columns, [['a', 'sleep 9999'], ['long', '']])).toBe('ID     COMMAND\na      sleep…\nlong   -\n');
});

test('the wide form shows everything whole', () => {
  expect(renderTable(columns, [['a', 'sleep 9999']], { wide: true })).toBe('ID   COMMAND      EXTRA\na    sleep 9999   e\n');
});

test('control characters of a name do not reach the terminal', () => {
  expect(renderTable(columns, [['a\u001b[2J\n', 'x']])).toBe('ID       COMMAND\na?[2J?   x\n');
});

test.each([[0, 'less than a second ago'], [1000, '1 second ago'], [59_000, '59 seconds ago'], [120_000, '2 minutes ago'], [7_200_000, '2 hours ago'], [3 * 86_400_000, '3 days ago'], [900 * 86_400_000, '2 years ago']])('%d ms ago', (ms, text) => {
  expect(timeAgo(new Date(0), new Date(ms))).toBe(text);
});

test('a moment that never was is shown as nothing', () => {
  expect(timeAgo(undefined, new Date())).toBe('');
});

test('quantities', () => {
  expect([0, 512, 1024, 1_610_612_736n, 200n << 20n].map(describeBytes)).toEqual(['0 B', '512 B', '1 KiB', '1.5 GiB', '200 MiB']);
  expect([0.4, 12.34, 1500].map(describeMs)).toEqual(['0.4 ms', '12.3 ms', '1.50 s']);
  expect(shortId('019c1234-5678-7abc-8def-0123456789ab')).toBe('23456789ab');
  expect(enumText('CONTAINER_STATE_RUNNING', 'CONTAINER_STATE_')).toBe('running');
  expect(enumText('CAUSE_UNSPECIFIED', 'CAUSE_')).toBe('');
});

test('JSON has durations as the protobuf mapping says, and labels untouched', () => {
  const json = CreateSandboxResponse.toJSON(CreateSandboxResponse.fromPartial({
    sandbox: { id: 'x', spec: { labels: { seconds: '5', duration: '7' } } },
    phases: [{ name: 'boot', offset: {}, duration: { seconds: 1n, nanos: 500_000_000 } }, { name: 'x', duration: { nanos: 1000 } }],
  }));
  expect(protoJson(json)).toMatchObject({
    sandbox: { spec: { labels: { seconds: '5', duration: '7' } } },
    phases: [{ name: 'boot', offset: '0s', duration: '1.500s' }, { name: 'x', duration: '0.000001s' }],
  });
  expect(prettyJson({ sandboxes: [] })).toBe('{\n  "sandboxes": []\n}\n');
});

test('log lines are shown as a level and a message', () => {
  expect(logLineText('{"level":"error","time":"x","msg":"boom"}')).toBe('error: boom');
  expect(logLineText('{"cut off')).toBe('{"cut off');
  expect(logLineText('Error: plain')).toBe('Error: plain');
});

test('CPU use is compared between two looks', () => {
  const sample = (at: number, ms: number): Parameters<typeof cpuPercent>[1] =>
    ({ at: new Date(at), cpu: { total: { seconds: 0n, nanos: ms * 1_000_000 }, user: undefined, system: undefined, throttledPeriods: 0n, throttled: undefined } });
  expect(cpuPercent(sample(0, 100), sample(1000, 600))).toBe('50.0 %');
  expect(cpuPercent(undefined, sample(1000, 600))).toBe('');
  expect(cpuPercent(sample(0, 700), sample(1000, 600))).toBe('');
});

test('progress is a bar when the total is known', () => {
  expect(progressText({ step: 'kernel', detail: 'linux-image', done: 1n, total: 2n })).toBe('kernel [############------------]  50 % linux-image');
  expect(progressText({ step: 'kernel', detail: 'x', done: 1n, total: 0n })).toBe('kernel x');
  expect(progressText({ step: 'k', detail: '', done: 9n, total: 3n })).toBe('k [########################] 100 %');
});

test('the timing table names calls, phases and what was really used', () => {
  const mode = Mode.fromPartial({ hypervisor: 'qemu', hypervisorVersion: '7.2', accelerator: 'tcg', acceleratorReason: 'no /dev/kvm', machine: 'q35', transport: 'virtio-serial', agent: 'viv-agent', agentVersion: '0.1.0', rootfs: 'virtiofs', guest: 'default' });
  expect(describeMode(mode)).toBe('qemu 7.2, tcg (no /dev/kvm), q35, virtio-serial, viv-agent 0.1.0, virtiofs, guest default');
  const phases = [Phase.fromPartial({ name: 'boot', offset: { nanos: 2_000_000 }, duration: { seconds: 2n } })];
  expect(renderTimings([{ call: 'create sandbox', tookMs: 2010, phases }], mode)).toBe(
    `PHASE             START     TIME\ncreate sandbox        -   2.01 s\n  boot           2.0 ms   2.00 s\nmode: ${describeMode(mode)}\n`);
});

test('a daemon that stops says how many sandboxes go on, and nothing when none do', () => {
  expect([0, 1, 3, undefined].map(goOn)).toEqual(['', '; 1 sandbox goes on', '; 3 sandboxes go on', '; its sandboxes go on']);
});
