import { expect, test } from 'vitest';
import { daemonFailure, isResumable, isUnreachable, startFailureExitCode, type DaemonFailure } from '../../../src/cli/client/daemon-failure.ts';
import { Outbox, newConnection } from '../../../src/cli/stream/outbox.ts';
import { defaultReconnectPolicy, reconnectStep } from '../../../src/cli/stream/reconnect-policy.ts';
import { SignalForwarder } from '../../../src/cli/stream/signal-forwarder.ts';
import { StdinWindow } from '../../../src/cli/stream/stdin-window.ts';
import type { Clock } from '../../../src/cli/host.ts';

const failure = (partial: Partial<DaemonFailure>): DaemonFailure => ({ code: 13, message: '', reason: '', metadata: {}, violations: [], ...partial });

test('a broken stream is tried again soon, then more seldom, told after 2 s, and given up after 2 minutes', () => {
  expect(reconnectStep(defaultReconnectPolicy, 0, 0)).toEqual({ kind: 'retry', delayMs: 50, tell: false });
  expect(reconnectStep(defaultReconnectPolicy, 3, 700)).toEqual({ kind: 'retry', delayMs: 400, tell: false });
  expect(reconnectStep(defaultReconnectPolicy, 9, 2000)).toEqual({ kind: 'retry', delayMs: 1000, tell: true });
  expect(reconnectStep(defaultReconnectPolicy, 99, 120_000)).toEqual({ kind: 'give-up' });
});

test('what may be resumed: a lost connection, a daemon that recovers; not what the daemon refused', () => {
  expect(isResumable(failure({ code: 14, message: 'Connection dropped' }))).toBe(true);
  expect(isResumable(failure({ code: 14, reason: 'RECOVERING' }))).toBe(true);
  expect(isResumable(failure({ code: 1, message: 'Call cancelled' }))).toBe(true);
  expect(isResumable(failure({ code: 13, message: 'Received RST_STREAM with code 2' }))).toBe(true);
  expect(isResumable(failure({ code: 1, reason: 'CANCELLED' }))).toBe(false);
  expect(isResumable(failure({ code: 5, reason: 'EXEC_NOT_FOUND' }))).toBe(false);
  expect(isResumable(failure({ code: 13, message: 'boom' }))).toBe(false);
});

test('unreachable is only a daemon that did not say anything', () => {
  expect(isUnreachable(failure({ code: 14 }))).toBe(true);
  expect(isUnreachable(failure({ code: 14, reason: 'SHUTTING_DOWN' }))).toBe(false);
});

test('a start failure is 127 when there is no such program, else 126', () => {
  expect(startFailureExitCode(failure({ metadata: { exit_code: '127' } }))).toBe(127);
  expect(startFailureExitCode(failure({ metadata: { exit_code: '126' }, message: 'not found' }))).toBe(126);
  expect(startFailureExitCode(failure({ message: 'exec: "x": executable file not found in $PATH' }))).toBe(127);
  expect(startFailureExitCode(failure({ message: 'exec format error' }))).toBe(126);
});

test('errors of other kinds are no failure of the daemon', () => {
  expect(daemonFailure(new Error('x'))).toBeUndefined();
  expect(daemonFailure('x')).toBeUndefined();
});

test('the outbox sends nothing before the process started, then signals, size, acknowledgement and stdin in this order', async () => {
  const stdin = new StdinWindow(100);
  let written = { stdout: 0n, stderr: 0n };
  const outbox = new Outbox(stdin, () => written);
  const connection = newConnection({ stdout: 0n, stderr: 0n });
  stdin.push(Buffer.from('in'));
  stdin.end();
  outbox.resize({ rows: 1, columns: 1 });
  outbox.resize({ rows: 2, columns: 2 });
  outbox.signal('SIGINT');
  written = { stdout: 5n, stderr: 0n };
  const messages = outbox.messages(connection);
  const first = messages.next();
  connection.started = true;
  outbox.wake();
  expect((await first).value).toEqual({ $case: 'signal', value: { signal: 'SIGINT' } });
  expect((await messages.next()).value).toEqual({ $case: 'resize', value: { rows: 2, columns: 2 } });
  expect((await messages.next()).value).toEqual({ $case: 'ack', value: { stdout: 5n, stderr: 0n } });
  expect((await messages.next()).value).toEqual({ $case: 'stdin', value: { offset: 0n, data: Buffer.from('in') } });
  expect((await messages.next()).value).toEqual({ $case: 'stdinEof', value: {} });
  const last = messages.next();
  connection.closing = true;
  written = { stdout: 9n, stderr: 1n };
  outbox.wake();
  expect((await last).value).toEqual({ $case: 'ack', value: { stdout: 9n, stderr: 1n } });
  expect((await messages.next()).done).toBe(true);
});

test('three requests to end within three seconds leave the process', () => {
  let now = 0;
  const clock: Clock = { now: () => new Date(now), sleep: () => Promise.resolve() };
  const seen: string[] = [];
  const forwarder = new SignalForwarder(clock, (signal) => { seen.push(signal); }, (signal) => { seen.push(`left by ${signal}`); });
  forwarder.received('SIGINT');
  now = 4000;
  forwarder.received('SIGINT');
  forwarder.received('SIGHUP');
  now = 5000;
  forwarder.received('SIGTERM');
  expect(seen).toEqual(['SIGINT', 'SIGINT', 'SIGHUP', 'SIGTERM']);
  now = 6000;
  forwarder.received('SIGINT');
  expect(seen.at(-1)).toBe('left by SIGINT');
});
