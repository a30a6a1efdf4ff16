import { describe, expect, it } from 'vitest';
import type { AttachResponse } from '../../../../src/gen/vivarium/v1/container.ts';
import { ApiWorld } from '../../../fakes/api-world.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { World } from '../../../fakes/world.ts';

const START = { requestId: 'a', containerId: 'ctr', startContainer: true, replay: true };

async function created(): Promise<ApiWorld> {
  const api = new ApiWorld(new World());
  await api.call('createSandbox', { spec: { name: 'sb' } });
  await api.call('createContainer', { sandboxId: 'sb', spec: { name: 'ctr', rootfs: { $case: 'image', value: 'busybox' }, args: ['sh'] } });
  return api;
}

async function next(stream: AsyncIterator<AttachResponse>): Promise<AttachResponse['message']> {
  const { value } = await stream.next() as { value: AttachResponse | undefined };
  return value?.message;
}

async function containerOf(stream: AsyncIterator<AttachResponse>): Promise<string> {
  const message = await next(stream);
  return message?.$case === 'started' ? message.value.containerId : expect.fail('not started');
}

describe('an attach that starts its container, sent twice with one request id', () => {
  it('starts it once, and both have its output', async () => {
    const api = await created();
    const release = api.world.hold('agent-start');
    const streams = [api.attach(START), api.attach(START)];
    const opened = Promise.all(streams.map(containerOf));
    await settle();
    release();
    const [containerId = '', other] = await opened;
    expect([other, api.count('CONTAINER_STARTED')]).toEqual([containerId, 1]);
    api.vm.act(containerId, { write: 'hello' });
    for (const stream of streams) expect(await next(stream)).toMatchObject({ $case: 'stdout', value: { offset: 0n } });
  });

  it('joins the container that has run since, also in the next daemon', async () => {
    const api = await created();
    const containerId = await containerOf(api.attach(START));
    api.vm.act(containerId, { write: 'hello' });
    await settle();
    await api.restart();
    await settle();
    const again = api.attach(START);
    expect(await containerOf(again)).toBe(containerId);
    expect(await next(again)).toMatchObject({ $case: 'stdout', value: { offset: 0n } });
    expect(api.count('CONTAINER_STARTED')).toBe(1);
  });

  it('goes on for the second when the first leaves before it has started', async () => {
    const api = await created();
    const release = api.world.hold('agent-start');
    const left = new AbortController();
    const first = containerOf(api.attach(START, left.signal));
    const second = containerOf(api.attach(START));
    await settle();
    left.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    release();
    expect(await second).not.toBe('');
    expect(api.count('CONTAINER_STARTED')).toBe(1);
  });

  it('is refused with another body', async () => {
    const api = await created();
    await containerOf(api.attach(START));
    await expect(containerOf(api.attach({ ...START, stdin: true }))).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT' });
  });
});
