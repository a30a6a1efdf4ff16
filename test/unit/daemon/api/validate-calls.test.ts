import { describe, expect, it } from 'vitest';
import { parseContainerCall, parseContainerRef, parseSandboxCall, parseSandboxRef, parseStopContainer, parseStopSandbox, parseUpdateSandbox } from '../../../../src/daemon/api/validate-calls.ts';
import { parseKill, parseListContainers } from '../../../../src/daemon/api/validate-container.ts';
import { parseBuildGuest } from '../../../../src/daemon/api/validate-guest.ts';
import { parseExecStart } from '../../../../src/daemon/api/validate-process.ts';
import { parseListSandboxes } from '../../../../src/daemon/api/validate-sandbox.ts';
import { parseLogs, parseResizeTty } from '../../../../src/daemon/api/validate-streams.ts';
import { parseWatch } from '../../../../src/daemon/api/convert-event.ts';
import { ExecStart, GetContainerLogsRequest, KillContainerRequest, ListContainersRequest, ResizeContainerTtyRequest } from '../../../../src/gen/vivarium/v1/container.ts';
import { WatchEventsRequest } from '../../../../src/gen/vivarium/v1/event.ts';
import { BuildGuestRequest } from '../../../../src/gen/vivarium/v1/guest.ts';
import { ListSandboxesRequest } from '../../../../src/gen/vivarium/v1/sandbox.ts';
import { violationsOf } from './field-violations.ts';

const REQUEST_ID = 'has space';
const DAY_AND_MORE = { seconds: 90_000n, nanos: 0 };
const OFFSETS = { stdout: 0n, stderr: 0n };

/** A request with everything wrong that can be, and the fields that the one answer has to name. */
const WRONG: readonly (readonly [name: string, parse: () => unknown, fields: readonly string[]])[] = [
  ['a call on a sandbox', () => parseSandboxCall({ sandboxId: '', requestId: REQUEST_ID }), ['request_id', 'sandbox_id']],
  ['a question about a sandbox', () => parseSandboxRef({ sandboxId: '-' }), ['sandbox_id']],
  ['a call on a container', () => parseContainerCall({ containerId: '', requestId: REQUEST_ID }), ['container_id', 'request_id']],
  ['a question about a container', () => parseContainerRef({ containerId: '-' }), ['container_id']],
  ['StopSandbox', () => parseStopSandbox({ sandboxId: '', requestId: REQUEST_ID, grace: DAY_AND_MORE }), ['grace', 'request_id', 'sandbox_id']],
  ['StopContainer', () => parseStopContainer({ containerId: '-', requestId: REQUEST_ID, grace: { seconds: -1n, nanos: 0 } }), ['container_id', 'grace', 'request_id']],
  ['UpdateSandbox', () => parseUpdateSandbox({ sandboxId: '', requestId: REQUEST_ID, labels: { 'bad key': 'v', good: '\0' } }), ['labels["bad key"]', 'labels["good"]', 'request_id', 'sandbox_id']],
  ['KillContainer', () => parseKill(KillContainerRequest.fromPartial({ requestId: REQUEST_ID, signal: 'NOPE' })), ['container_id', 'request_id', 'signal']],
  ['ListSandboxes', () => parseListSandboxes(ListSandboxesRequest.fromPartial({ labels: { '': 'v' }, states: [99 as never], pageSize: 1001, pageToken: 'a b' })), ['labels[""]', 'page_size', 'page_token', 'states[0]']],
  ['ListContainers', () => parseListContainers(ListContainersRequest.fromPartial({ sandboxId: '-', states: [99 as never], pageSize: 1001 })), ['page_size', 'sandbox_id', 'states[0]']],
  ['an exec', () => parseExecStart(ExecStart.fromPartial({ requestId: REQUEST_ID, env: ['x'], workingDir: 'here', ttySize: { rows: 0, columns: 1 } })),
    ['start.command', 'start.container_id', 'start.env[0]', 'start.request_id', 'start.tty_size.rows', 'start.working_dir']],
  ['a terminal\'s size', () => parseResizeTty(ResizeContainerTtyRequest.fromPartial({ execId: '-' })), ['container_id', 'exec_id', 'size']],
  ['logs', () => parseLogs(GetContainerLogsRequest.fromPartial({ tail: 1, offsets: OFFSETS })), ['container_id', 'offsets']],
  ['WatchEvents', () => parseWatch(WatchEventsRequest.fromPartial({ cursor: 'a b', sandboxId: '-', containerId: '-', types: [99 as never] })), ['container_id', 'cursor', 'sandbox_id', 'types[0]']],
  ['BuildGuest', () => parseBuildGuest(BuildGuestRequest.fromPartial({ requestId: REQUEST_ID, kernel: 'A', init: 'x', modules: ['a b c!', '/'], files: [{ source: 'a', destination: '/b/../c', mode: 0o10000 }] })),
    ['files[0].destination', 'files[0].mode', 'files[0].source', 'init', 'kernel', 'modules[1]', 'name', 'request_id']],
];

describe('a request that is wrong in every field', () => {
  it.each(WRONG)('%s: one answer names them all', (_name, parse, fields) => {
    expect(Object.keys(violationsOf(parse)).sort()).toEqual(fields);
  });
});

describe('a stop', () => {
  it('has no grace of its own when none is given, and the one that is', () => {
    expect(parseStopSandbox({ sandboxId: 'sb', requestId: '' })).toEqual({ ref: 'sb', requestId: '', graceMs: undefined });
    expect(parseStopContainer({ containerId: 'c', requestId: 'r', grace: { seconds: 1n, nanos: 5e8 } })).toEqual({ ref: 'c', requestId: 'r', graceMs: 1500 });
  });
});
