import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { startRefused } from '../../../../src/daemon/services/start-failure.ts';

const refusal = (words: string, command: readonly string[]): DomainError =>
  startRefused(new DomainError('AGENT_REFUSED', `the guest agent refused StartContainer: ${words}`), 'c1', command);

describe('a command that the guest could not run', () => {
  it.each([
    ['ENOENT: No such file or directory', ['nosuch', '-v'], 'exec: "nosuch": executable file not found in $PATH', '127'],
    ['executable file not found', ['nosuch'], 'exec: "nosuch": executable file not found in $PATH', '127'],
    ['ENOENT: No such file or directory', ['./no/such'], 'exec: "./no/such": no such file or directory', '127'],
    ['EACCES: Permission denied', ['/etc/passwd'], 'exec: "/etc/passwd": permission denied', '126'],
    ['ENOEXEC: Exec format error', ['a "b"\n'], 'exec: "a \\"b\\"\\n": ENOEXEC: Exec format error', '126'],
  ])('%s of %j', (why, command, message, code) => {
    expect(refusal(`cannot execute the command: ${why}`, command)).toMatchObject({ reason: 'PROCESS_START_FAILED', message, details: { containerId: 'c1', facts: { exit_code: code } } });
  });

  it.each([
    ['Process.Cwd: "/nodir": No such file or directory (os error 2)', 'working directory "/nodir": no such file or directory'],
    ['Process.Cwd: "/etc/passwd": Not a directory (os error 20)', 'working directory "/etc/passwd": not a directory'],
    ['Process.Cwd: "/a \\"b\\": c": Permission denied (os error 13)', 'working directory "/a \\"b\\": c": permission denied'],
    ['Process.Cwd: "/ro/x" is not there and cannot be made: Read-only file system (os error 30)', 'working directory "/ro/x": read-only file system'],
  ])('a working directory that can not be entered is named: %s', (words, message) => {
    expect(refusal(words, ['ls'])).toMatchObject({ reason: 'PROCESS_START_FAILED', message, details: { containerId: 'c1', remedy: expect.stringContaining('-w') as string, facts: { exit_code: '126' } } });
  });

  it('what was refused for another reason stays in the guest\'s words', () => {
    const words = 'Process.User: no such user';
    expect(refusal(words, ['ls'])).toMatchObject({ message: `the guest agent refused StartContainer: ${words}`, details: { facts: { exit_code: '126' } } });
    expect(refusal('cannot execute the command: EACCES', [])).toMatchObject({ message: 'the guest agent refused StartContainer: cannot execute the command: EACCES' });
  });
});
