import { expect, it } from 'vitest';
import type { ExecSpec } from '../../../../src/core/model/sandbox-spec.ts';
import type { ProcessSetup } from '../../../../src/core/ports/agent.ts';
import { ALL_CAPABILITIES, capabilitySets } from '../../../../src/storage/oci/capabilities.ts';
import { execSetup } from '../../../../src/storage/oci/exec-setup.ts';
import type { OciProcess } from '../../../../src/storage/oci/runtime-spec.ts';
import { CONTAINER_ID } from '../../../fakes/records.ts';

const PROCESS: OciProcess = {
  terminal: false,
  user: { uid: 1000, gid: 1000, additionalGids: [27] },
  args: ['sh'],
  env: ['PATH=/bin', 'HOME=/home/web'],
  cwd: '/srv',
  capabilities: capabilitySets(['CAP_CHOWN']),
  rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1n, hard: 2n }],
  noNewPrivileges: true,
  oomScoreAdj: 0,
};

const USERS = { passwd: 'root:x:0:0::/root:\nweb:x:1000:1000::/home/web:\n', group: '' };

function setupOf(exec: Partial<ExecSpec>, process = PROCESS): ProcessSetup {
  const full: ExecSpec = { command: ['id'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false, ...exec };
  return execSetup({ containerId: CONTAINER_ID, execId: 'e', exec: full, process, users: USERS });
}

it('is as the container where nothing else is said', () => {
  expect(setupOf({})).toEqual({ containerId: CONTAINER_ID, execId: 'e', args: ['id'], env: PROCESS.env, cwd: '/srv', terminal: false, uid: 1000, gid: 1000, additionalGids: [27], capabilities: ['CAP_CHOWN'], noNewPrivileges: true, rlimits: PROCESS.rlimits });
});

it('takes user, directory, variables, terminal and privileges of the request', () => {
  expect(setupOf({ user: 'root', workingDir: '/tmp', env: ['A=1', 'PATH=/x'], tty: true, privileged: true })).toMatchObject({
    uid: 0, gid: 0, additionalGids: [], cwd: '/tmp', terminal: true, capabilities: ALL_CAPABILITIES, env: ['PATH=/x', 'HOME=/root', 'TERM=xterm', 'A=1'],
  });
});

it('keeps a HOME that somebody chose', () => {
  expect(setupOf({ user: 'root' }, { ...PROCESS, env: ['HOME=/data'] }).env).toEqual(['HOME=/data']);
});

it('hears of all its mistakes at once', () => {
  expect(() => setupOf({ command: [], user: 'x', workingDir: 'y', env: ['z'] })).toThrow(/^invalid request: command: .*; user: .*; env\[0\]: .*; working_dir: /);
});
