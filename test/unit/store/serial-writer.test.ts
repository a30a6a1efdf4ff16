import { expect, it } from 'vitest';
import { deferred } from '../../../src/base/abort.ts';
import type { Deferred } from '../../../src/base/abort.ts';
import { SerialWriter } from '../../../src/store/serial-writer.ts';
import type { Change } from '../../../src/store/serial-writer.ts';
import { settle } from '../../fakes/manual-clock.ts';

function scripted(): { writer: SerialWriter<number>; applied: Change<number>[]; turns: Deferred<undefined>[] } {
  const applied: Change<number>[] = [];
  const turns: Deferred<undefined>[] = [];
  const writer = new SerialWriter<number>(async (change) => {
    applied.push(change);
    const turn = deferred<undefined>();
    turns.push(turn);
    await turn.promise;
  });
  return { writer, applied, turns };
}

const save = (value: number): Change<number> => ({ kind: 'save', value });

it('a change during a write waits, and of several only the last is written', async () => {
  const { writer, applied, turns } = scripted();
  const all = [1, 2, 3, 4].map((value) => writer.submit(save(value)));
  expect(applied).toEqual([save(1)]);
  turns[0]!.resolve(undefined);
  await settle();
  expect(applied).toEqual([save(1), save(4)]);
  turns[1]!.resolve(undefined);
  await Promise.all(all);
  expect(writer.idle).toBe(true);
});

it('a failure is told to those whose change it was, and what comes later is written', async () => {
  const { writer, turns } = scripted();
  const first = writer.submit(save(1));
  const second = writer.submit(save(2));
  const heard = expect(first).rejects.toThrow('full');
  turns[0]!.reject(new Error('full'));
  await heard;
  turns[1]!.resolve(undefined);
  await second;
});

it('a removal after a save is the last word', async () => {
  const { writer, applied, turns } = scripted();
  const all = [writer.submit(save(1)), writer.submit(save(2)), writer.submit({ kind: 'remove' })];
  turns[0]!.resolve(undefined);
  await settle();
  turns[1]!.resolve(undefined);
  await Promise.all(all);
  expect(applied).toEqual([save(1), { kind: 'remove' }]);
});
