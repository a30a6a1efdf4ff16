import { Status } from 'nice-grpc';
import { BadRequest, ErrorInfo, RichClientError } from 'nice-grpc-error-details';
import { expect, test } from 'vitest';
import { CliError } from '../../../src/cli/cli-error.ts';
import { reportError, type ErrorContext } from '../../../src/cli/error-text.ts';
import { Interrupted, OutputClosed } from '../../../src/cli/interrupts.ts';

const context: ErrorContext = { address: 'unix:/run/x.sock', failureCode: 125, debug: false };
const rich = (code: Status, message: string, reason: string, metadata: Record<string, string> = {}): RichClientError =>
  new RichClientError('/vivarium.v1.X/Y', code, message, [ErrorInfo.fromPartial({ reason, domain: 'vivarium', metadata })]);

test('message, then the remedy', () => {
  expect(reportError(rich(Status.NOT_FOUND, 'there is no container "x"', 'CONTAINER_NOT_FOUND', { remedy: 'see viv ps -a' }), context))
    .toEqual({ lines: ['viv: there is no container "x"', '  fix: see viv ps -a'], exitCode: 125 });
});

test('a VM that failed is told with the end of what it said', () => {
  const console = Array.from({ length: 12 }, (_, index) => `line ${index}\r\n`).join('');
  const { lines } = reportError(rich(Status.INTERNAL, 'the VM ended', 'VMM_EXITED', { console, stderr: 'bad \u001b[2Joption\n' }), context);
  expect(lines).toEqual(['viv: the VM ended', '  vmm:', '    bad ?[2Joption', '  console:', ...[4, 5, 6, 7, 8, 9, 10, 11].map((index) => `    line ${index}`)]);
});

test('each field error has its line', () => {
  const error = new RichClientError('/x', Status.INVALID_ARGUMENT, 'not valid', [BadRequest.fromPartial({ fieldViolations: [{ field: 'spec.name', description: 'too long' }] })]);
  expect(reportError(error, { ...context, failureCode: 1 })).toEqual({ lines: ['viv: not valid', '  spec.name: too long'], exitCode: 1 });
});

test('fields that the message names are not told twice', () => {
  const error = new RichClientError('/x', Status.INVALID_ARGUMENT, 'invalid request: spec.name: too long', [BadRequest.fromPartial({ fieldViolations: [{ field: 'spec.name', description: 'too long' }] })]);
  expect(reportError(error, context).lines).toEqual(['viv: invalid request: spec.name: too long']);
});

test('an unreachable daemon is told with its address and what to do', () => {
  const error = new RichClientError('/x', Status.UNAVAILABLE, 'No connection established. Last error: connect ECONNREFUSED /run/x.sock', []);
  expect(reportError(error, context).lines).toEqual(['viv: cannot reach the daemon at unix:/run/x.sock: nothing listens there — start it with "viv daemon start"']);
});

test('a failed start of a process has the code of a shell, but only where a process was to be run', () => {
  const error = rich(Status.FAILED_PRECONDITION, 'no such file', 'PROCESS_START_FAILED', { exit_code: '127' });
  expect(reportError(error, context).exitCode).toBe(127);
  expect(reportError(error, { ...context, failureCode: 1 }).exitCode).toBe(1);
});

test('what a guest says can not steer the terminal', () => {
  expect(reportError(rich(Status.INTERNAL, 'bad\u001b[2Jthing\nnext', 'VMM_FAILED'), context).lines).toEqual(['viv: bad?[2Jthing', '  next']);
});

test('our own errors have their own code', () => {
  expect(reportError(new CliError('x', { exitCode: 2, remedy: 'y' }), context)).toEqual({ lines: ['viv: x', '  fix: y'], exitCode: 2 });
});

test('a command that the user ended says nothing', () => {
  expect(reportError(new Interrupted('SIGINT'), context)).toEqual({ lines: [], exitCode: 130 });
  expect(reportError(new OutputClosed(), context)).toEqual({ lines: [], exitCode: 141 });
});

test('--debug shows codes, details and the stack', () => {
  const { lines } = reportError(rich(Status.INTERNAL, 'boom', 'INTERNAL', { sandbox_id: 's1' }), { ...context, debug: true });
  expect(lines.slice(0, 3)).toEqual(['viv: boom', '  INTERNAL INTERNAL', '  sandbox_id: s1']);
  expect(lines.some((line) => line.includes('error-text.test'))).toBe(true);
});
