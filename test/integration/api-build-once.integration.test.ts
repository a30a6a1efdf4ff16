import { Status } from 'nice-grpc-common';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/base/abort.ts';
import type { GuestBuildEvent, GuestView } from '../../src/daemon/services/facade.ts';
import type { BuildGuestResponse } from '../../src/gen/vivarium/v1/guest.ts';
import { fakeServices } from '../fakes/fake-services.ts';
import { ApiHarness } from './api-harness.ts';

const GUEST: GuestView = { name: 'mine', directory: '/g/mine', digest: 'sha256:1', kernelVersion: '6.1', agentVersion: '1', kernelBytes: 1, initramfsBytes: 1, builtAtMs: 0 };
const PROGRESS: GuestBuildEvent = { kind: 'progress', step: 'kernel', detail: '', done: 1, total: 2 };
const REQUEST = { requestId: 'b', name: 'mine' };

async function casesOf(stream: AsyncIterable<BuildGuestResponse>): Promise<string[]> {
  const cases: string[] = [];
  for await (const { message } of stream) cases.push(message?.$case === 'result' ? `result ${message.value.guest?.name ?? ''}` : message?.$case ?? '');
  return cases;
}

describe('BuildGuest with one request id', () => {
  it('builds once: who began it sees its progress, who joins it or comes later its result', async () => {
    const begun = deferred<undefined>();
    const go = deferred<undefined>();
    let builds = 0;
    async function* build(): AsyncGenerator<GuestBuildEvent> {
      builds += 1;
      yield PROGRESS;
      begun.resolve(undefined);
      await go.promise;
      yield { kind: 'result', guest: GUEST, upToDate: false };
    }
    await using api = await ApiHarness.start(fakeServices({ guests: { build } }));
    const first = casesOf(api.guests().buildGuest(REQUEST));
    await begun.promise;
    const joined = casesOf(api.guests().buildGuest(REQUEST));
    await expect(casesOf(api.guests().buildGuest({ ...REQUEST, name: 'other' }))).rejects.toMatchObject({ code: Status.ALREADY_EXISTS });
    go.resolve(undefined);
    expect(await first).toEqual(['progress', 'result mine']);
    expect(await joined).toEqual(['result mine']);
    expect(await casesOf(api.guests().buildGuest(REQUEST))).toEqual(['result mine']);
    expect(builds).toBe(1);
  });

  it('tells who joined it of its failure', async () => {
    const begun = deferred<undefined>();
    const go = deferred<undefined>();
    async function* build(): AsyncGenerator<GuestBuildEvent> {
      yield PROGRESS;
      begun.resolve(undefined);
      await go.promise;
      throw new Error('no space');
    }
    await using api = await ApiHarness.start(fakeServices({ guests: { build } }));
    const calls = [casesOf(api.guests().buildGuest(REQUEST))];
    await begun.promise;
    calls.push(casesOf(api.guests().buildGuest(REQUEST)));
    const outcomes = Promise.allSettled(calls);
    go.resolve(undefined);
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
