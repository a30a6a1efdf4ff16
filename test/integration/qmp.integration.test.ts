import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SystemClock } from '../../src/host/system-clock.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';
import { QmpConnection } from '../../src/hypervisors/qmp/connection.ts';
import { FakeQmpServer } from '../fakes/fake-qmp-server.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp('/tmp/vv-qmp-');
  path = join(directory, 'qmp.sock');
});
afterEach(async () => { await rm(directory, { recursive: true, force: true }); });

async function connect(): Promise<QmpConnection> {
  const clock = new SystemClock();
  const stream = await new UnixDialer(clock).dial(path, { deadlineMs: 1000 });
  return (await QmpConnection.open(stream, clock, { handshakeMs: 1000 })).connection;
}

describe('QMP over a real socket', () => {
  it('a transcript: events between replies keep their order', async () => {
    await using server = await FakeQmpServer.listen(path, {
      'stop': (_request, fake) => {
        fake.event('STOP');
        return {};
      },
      'cont': (_request, fake) => {
        fake.event('RESUME');
        return {};
      },
      'query-status': () => ({ status: 'running', running: true }),
    });
    const connection = await connect();
    const seen: string[] = [];
    connection.onEvent(({ event }) => { seen.push(event); });
    await connection.execute('stop', {});
    await connection.execute('cont', {});
    await expect(connection.execute('query-status', {})).resolves.toEqual({ status: 'running', running: true });
    expect(seen).toEqual(['STOP', 'RESUME']);
    expect(server.requests).toEqual(['qmp_capabilities', 'stop', 'cont', 'query-status']);
    connection.close();
  });

  it('takes a reply of 40 MiB while events come', async () => {
    const large = 'x'.repeat(40 * 1024 * 1024);
    await using server = await FakeQmpServer.listen(path, {
      'query-status': (_request, fake) => {
        fake.event('RTC_CHANGE');
        return { status: 'running', running: true, large };
      },
    });
    const connection = await connect();
    const result = await connection.execute('query-status', {});
    expect(JSON.stringify(result).length).toBeGreaterThan(large.length);
    expect(server.requests).toHaveLength(2);
    connection.close();
  });

  it('a refused command rejects, and the connection goes on', async () => {
    await using server = await FakeQmpServer.listen(path, {
      'cont': () => {
        throw new Error('Resetting the Virtual Machine is required');
      },
    });
    const connection = await connect();
    await expect(connection.execute('cont', {})).rejects.toThrow(/Resetting/);
    await connection.execute('stop', {});
    expect(server.requests).toEqual(['qmp_capabilities', 'cont', 'stop']);
    connection.close();
  });

  it('what is pending fails when the VMM drops the connection', async () => {
    await using server = await FakeQmpServer.listen(path, { 'stop': () => FakeQmpServer.NO_ANSWER });
    const connection = await connect();
    const pending = connection.execute('stop', {});
    pending.catch(() => {});
    await connection.execute('query-status', {});
    server.dropClient();
    await expect(pending).rejects.toMatchObject({ name: 'QmpClosedError' });
    await connection.closed;
    const again = await connect();
    await again.execute('query-status', {});
    again.close();
  });
});
