import { describe, expect, it } from 'vitest';
import { Container, ContainerState, GetContainerStatsResponse } from '../../../src/gen/vivarium/v1/container.ts';
import { GetSandboxStatsResponse, Sandbox, SandboxState } from '../../../src/gen/vivarium/v1/sandbox.ts';
import type { SandboxLook } from '../../../src/cli/top/look.ts';
import { topRows } from '../../../src/cli/top/rows.ts';
import { fitPage } from '../../../src/cli/top/screen.ts';
import { topJson, topTable } from '../../../src/cli/top/table.ts';

const MIB = 1n << 20n;
const at = (seconds: number): Date => new Date(seconds * 1000);
const seconds = (value: number): { seconds: bigint; nanos: number } => ({ seconds: BigInt(Math.trunc(value)), nanos: Math.round((value % 1) * 1e9) });

/** A sandbox at a moment, with a container, after so much processor time of each. */
function lookAt(name: string, moment: number, hostCpu: readonly number[], guestCpu: number): SandboxLook {
  const sandbox = Sandbox.fromPartial({ id: `id-${name}`, shortId: `short-${name}`, spec: { name }, state: SandboxState.SANDBOX_STATE_RUNNING, memoryBytes: 256n * MIB, readyAt: at(10) });
  const container = Container.fromPartial({ id: `c-${name}`, shortId: `c-${name}`, spec: { name: `job-${name}` }, state: ContainerState.CONTAINER_STATE_RUNNING, startedAt: at(70) });
  return {
    sandbox,
    stats: GetSandboxStatsResponse.fromPartial({
      at: at(moment), processes: hostCpu.map((used, index) => ({ role: 'vmm', pid: index, cpu: seconds(used), pssBytes: 10n * MIB })), guestMemory: { usageBytes: 90n * MIB, limitBytes: 240n * MIB },
    }),
    containers: [{ container, stats: GetContainerStatsResponse.fromPartial({ containerId: container.id, at: at(moment), cpu: { total: seconds(guestCpu) }, memory: { usageBytes: 5n * MIB } }) }],
  };
}

describe('viv top', () => {
  const before = [lookAt('a', 100, [1, 1], 0), lookAt('b', 100, [5], 0)];
  const after = [lookAt('a', 102, [1.5, 1.5], 0.25), lookAt('b', 102, [8], 0.1)];

  it('counts CPU use over all processes of a sandbox, from one look to the next', () => {
    const rows = topRows(before, after, at(130), 'cpu');
    expect(rows.map(({ name, cpuPercent, pssBytes, uptimeMs }) => ({ name, cpuPercent, pssBytes, uptimeMs }))).toEqual([
      { name: 'b', cpuPercent: 150, pssBytes: 10n * MIB, uptimeMs: 120_000 },
      { name: 'a', cpuPercent: 50, pssBytes: 20n * MIB, uptimeMs: 120_000 },
    ]);
    expect(rows[1]?.containers).toMatchObject([{ name: 'job-a', cpuPercent: 12.5, memoryBytes: 5n * MIB, memoryLimitBytes: undefined, uptimeMs: 60_000 }]);
  });

  it('has no CPU use before the second look, nor after a process was replaced', () => {
    expect(topRows([], before, at(130), 'name').map(({ cpuPercent }) => cpuPercent)).toEqual([undefined, undefined]);
    expect(topRows(after, [lookAt('a', 104, [0.1], 1)], at(130), 'cpu')[0]?.cpuPercent).toBeUndefined();
  });

  it.each([['cpu', ['b', 'a']], ['pss', ['a', 'b']], ['name', ['a', 'b']], ['uptime', ['a', 'b']]] as const)('sorts by %s', (key, names) => {
    expect(topRows(before, after, at(130), key).map(({ name }) => name)).toEqual(names);
  });

  it('puts last what has no figures, and shows none', () => {
    const mute: SandboxLook = { sandbox: Sandbox.fromPartial({ id: 'm', shortId: 'm', spec: { name: 'mute' }, state: SandboxState.SANDBOX_STATE_RECOVERING }), stats: undefined, containers: [] };
    const rows = topRows(before, [mute, ...after], at(130), 'cpu');
    expect(rows.at(-1)).toMatchObject({ name: 'mute', state: 'recovering', cpuPercent: undefined, pssBytes: undefined });
    expect(topTable(rows, false)).toMatch(/\nmute +m +recovering +- +- +- +- +-\n$/);
  });

  it('shows containers below their sandbox', () => {
    const lines = topTable(topRows(before, after, at(130), 'name'), false).split('\n');
    expect(lines[0]).toMatch(/^NAME +ID +STATE +CPU % +MEMORY +OF +PSS +UPTIME$/);
    expect(lines[1]).toMatch(/^a +short-a +running +50\.0 % +90 MiB +256 MiB +20 MiB +2 minutes$/);
    expect(lines[2]).toMatch(/^ {2}job-a +c-a +running +12\.5 % +5 MiB +- +- +1 minute$/);
  });

  it('is plain data as JSON', () => {
    expect(JSON.parse(JSON.stringify(topJson(topRows(before, after, at(130), 'cpu'))))).toMatchObject({
      sandboxes: [{ name: 'b', cpuPercent: 150, memoryBytes: '94371840', uptimeSeconds: 120, containers: [{ name: 'job-b' }] }, { name: 'a' }],
    });
  });
});

describe('a page on a screen', () => {
  it('is cut to its size, and tells what does not fit', () => {
    expect(fitPage('one\ntwo\nthree\n', 3, 5)).toEqual(['one', 'two', 'thr']);
    expect(fitPage('1\n2\n3\n4\n', 80, 3)).toEqual(['1', '2', '… 2 more']);
  });
});
