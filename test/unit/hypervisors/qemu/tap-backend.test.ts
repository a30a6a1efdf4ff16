import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { CallFailure, TapCall } from '../../../../src/core/ports/host.ts';
import { addTap } from '../../../../src/hypervisors/qemu/tap-backend.ts';

const REF = { driver: 'qemu', runDir: '/run/s', process: { pid: 42, startTime: '1', bootId: 'b' }, argv: [] } as const;
const CALL = { name: 'tap3', queues: 1, netdev: { type: 'tap', id: 'net3' } };

async function asked(answer: CallFailure | DomainError | undefined): Promise<readonly TapCall[]> {
  const calls: TapCall[] = [];
  await addTap({
    tap: async (call) => {
      calls.push(call);
      if (answer instanceof DomainError) throw answer;
      return await Promise.resolve(answer);
    },
  }, REF, CALL, {});
  return calls;
}

describe('a tap device for a VM that runs', () => {
  it('is made in the network namespace of its process and handed over on the monitor for descriptors', async () => {
    expect(await asked(undefined)).toEqual([{ ...CALL, netns: '/proc/42/ns/net', monitor: '/run/s/fds.sock' }]);
  });

  it('that is there already, as interface or as back end, counts as done', async () => {
    await asked({ errno: 'EBUSY', path: 'tap3', message: 'Device or resource busy' });
    await asked(new DomainError('VMM_FAILED', "Duplicate ID 'net3' for netdev"));
  });

  it.each([
    [{ errno: 'ENOENT', path: '/run/s/fds.sock', message: 'No such file' }, 'UNSUPPORTED'],
    [{ errno: 'ENOENT', path: 'tap3', message: 'No such file' }, 'HOST_RESOURCE'],
    [{ errno: 'EPERM', path: 'tap3', message: 'Operation not permitted' }, 'HOST_RESOURCE'],
    [new DomainError('VMM_FAILED', 'no'), 'VMM_FAILED'],
  ] as const)('that can not be made is told: %o', async (answer, reason) => {
    await expect(asked(answer)).rejects.toMatchObject({ reason });
  });
});
