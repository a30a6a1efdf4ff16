import { describe, expect, it } from 'vitest';
import { TapDriver } from '../../../src/devices/tap.ts';
import { diskSpec } from '../../fakes/records.ts';

describe('a network card', () => {
  const driver = new TapDriver((bytes) => new Uint8Array(bytes).fill(0xab));

  it('has the address that was said, or one of its own that it keeps', async () => {
    const said = await driver.prepare({ id: 'n', what: { kind: 'tap', queues: 1, mac: '52:54:00:12:34:56' } });
    const made = await driver.prepare({ id: 'n', what: { kind: 'tap', queues: 1, mac: '' } });
    expect([said.path, made.path]).toEqual(['52:54:00:12:34:56', '52:54:00:ab:ab:ab']);
    const other = new TapDriver((bytes) => new Uint8Array(bytes));
    expect(await other.prepare({ id: 'n', what: { kind: 'tap', queues: 1, mac: '' } }, { before: made })).toEqual(made);
  });

  it('is no disk', async () => {
    await expect(driver.prepare(diskSpec('d'))).rejects.toMatchObject({ reason: 'INTERNAL' });
  });
});
