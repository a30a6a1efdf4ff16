import { describe, expect, it } from 'vitest';
import { parseInstanceId } from '../../../src/core/model/ids.ts';
import { instanceOfSpec, launchEnvironment, ownerOfPath, readEnvironmentMark, type InstanceMarks } from '../../../src/core/model/marks.ts';

const ID = '0190f4a8b7c27def8a12345678abcdef';
const CONTAINER = '0190f4a8b7c27def8a12345678000001';
const MARKS: InstanceMarks = { instance: parseInstanceId('ab12')!, runs: '/run/v/s', sandboxes: '/lib/v/sandboxes' };

const environ = (variables: Readonly<Record<string, string>>): string => Object.entries(variables).map(([key, value]) => `${key}=${value}\0`).join('');

describe('the owner of a path', () => {
  it.each([
    ['/run/v/s/5678abcdef', '5678abcdef', undefined],
    ['/run/v/s/5678abcdef/vmm/record', '5678abcdef', undefined],
    [`/run/v/s/5678abcdef/shared/${CONTAINER}/rootfs`, '5678abcdef', CONTAINER],
    [`/run/v/s/5678abcdef/export/${CONTAINER}`, '5678abcdef', CONTAINER],
    ['/run/v/s/5678abcdef/shared/nothing/rootfs', '5678abcdef', undefined],
    [`/lib/v/sandboxes/${ID}`, '5678abcdef', undefined],
    [`/lib/v/sandboxes/${ID}/containers/${CONTAINER}/upper`, '5678abcdef', CONTAINER],
  ])('of %s is %s', (path, owner, containerId) => {
    expect(ownerOfPath(MARKS, path)).toEqual({ owner, containerId });
  });

  it.each(['/run/v', '/run/v/s', '/run/v/sx/5678abcdef', '/run/v/vivd.sock', '/lib/v/sandboxes', '/lib/v/sandboxes/.removed-x', '/lib/v/sandboxes/lost+found', '/lib/v/trash/x', '/'])('of %s is nobody', (path) => {
    expect(ownerOfPath(MARKS, path)).toBeUndefined();
  });
});

describe('the mark in an environment', () => {
  it('is read as it was given', () => {
    const given = launchEnvironment(MARKS, '/run/v/s/5678abcdef/vmm');
    expect(readEnvironmentMark(MARKS, environ({ PATH: '/bin', ...given, LC_ALL: 'C' }))).toEqual({ owner: '5678abcdef', launch: '/run/v/s/5678abcdef/vmm' });
    expect(instanceOfSpec(JSON.stringify({ version: 1, env: given }))).toBe('ab12');
  });

  it('is not given outside of a sandbox', () => {
    expect(launchEnvironment(MARKS, '/tmp/probe')).toEqual({});
  });

  it.each([
    ['another instance', { VIVARIUM_INSTANCE: 'ab13', VIVARIUM_SANDBOX: '5678abcdef' }],
    ['a daemon with other directories that drew the same id', { VIVARIUM_INSTANCE: 'ab12', VIVARIUM_LAUNCH: '/run/other/s/5678abcdef/vmm' }],
    ['a longer value', { VIVARIUM_INSTANCE: 'ab123' }],
    ['a variable whose name ends the same', { OLD_VIVARIUM_INSTANCE: 'ab12' }],
    ['nothing', {}],
  ])('of %s is not ours', (_whose, variables) => {
    expect(readEnvironmentMark(MARKS, environ(variables))).toBeUndefined();
  });

  it('without a launch is ours', () => {
    expect(readEnvironmentMark(MARKS, environ({ VIVARIUM_INSTANCE: 'ab12', VIVARIUM_SANDBOX: '5678abcdef' }))).toEqual({ owner: '5678abcdef', launch: undefined });
  });
});

describe('a spec', () => {
  it.each(['', '{', '[]', 'null', '{"version":1}', '{"env":null}', '{"env":{"VIVARIUM_INSTANCE":1}}'])('%s tells no instance', (text) => {
    expect(instanceOfSpec(text)).toBeUndefined();
  });
});
