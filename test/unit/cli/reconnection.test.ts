import { PassThrough } from 'node:stream';
import { ClientError, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';
import type { CliHost } from '../../../src/cli/host.ts';
import { Reconnection } from '../../../src/cli/stream/reconnection.ts';

const nothing: Disposable = { [Symbol.dispose]: () => undefined };
const broken = new ClientError('/x', Status.UNAVAILABLE, 'Connection dropped');
const refused = new ClientError('/x', Status.UNAVAILABLE, 'No connection established. Last error: ENOENT');

/** A host whose clock moves when somebody sleeps. */
class Host implements CliHost {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly env = {};
  now = 0;
  readonly clock = { now: () => new Date(this.now), sleep: (ms: number) => { this.now += ms; return Promise.resolve(); } };
  readonly newId = (): string => 'id';
  readonly onSignal = (): Disposable => nothing;
  readonly onExit = (): Disposable => nothing;
  readonly passOutputThrough = (): void => undefined;
  readonly endNow = (): void => undefined;
  get said(): string { const text: unknown = this.stderr.read(); return text instanceof Buffer ? text.toString() : ''; }
}

/** Fails so often, then answers. */
function daemonAwayFor(failures: number, error: Error): () => Promise<string> {
  let left = failures;
  return () => ((left -= 1) >= 0 ? Promise.reject(error) : Promise.resolve('here'));
}

describe('a reconnection', () => {
  it('asks again until the daemon is back, quietly when that is soon', async () => {
    const host = new Host();
    const reconnection = new Reconnection({ host, signal: new AbortController().signal });
    await expect(reconnection.ask(daemonAwayFor(3, broken))).resolves.toBe('here');
    expect(host.now).toBe(50 + 100 + 200);
    expect(host.said).toBe('');
  });

  it('tells of a break that lasts, and of its end', async () => {
    const host = new Host();
    const reconnection = new Reconnection({ host, signal: new AbortController().signal });
    await reconnection.ask(daemonAwayFor(8, broken));
    expect(host.said).toBe('viv: lost the connection to the daemon; waiting for it to come back\nviv: connected to the daemon again\n');
  });

  it('does not wait for a daemon that was never reached, but for one that was', async () => {
    const host = new Host();
    const reconnection = new Reconnection({ host, signal: new AbortController().signal });
    await expect(reconnection.ask(daemonAwayFor(1, refused))).rejects.toBe(refused);
    reconnection.stands();
    await expect(reconnection.ask(daemonAwayFor(1, refused))).resolves.toBe('here');
  });

  it('gives up after two minutes, and at once on what is no broken connection', async () => {
    const host = new Host();
    const reconnection = new Reconnection({ host, signal: new AbortController().signal });
    await expect(reconnection.ask(daemonAwayFor(1000, broken))).rejects.toThrow('did not come back');
    expect(host.now).toBeGreaterThanOrEqual(120_000);
    const other = new Error('other');
    await expect(reconnection.ask(daemonAwayFor(1, other))).rejects.toBe(other);
  });
});
