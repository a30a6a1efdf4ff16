import { DomainError } from '../../core/model/errors.ts';

const COMMAND_NOT_FOUND = 127;
const COMMAND_NOT_EXECUTABLE = 126;
/** How our agent says that execvp(3) failed; it names the errno, not the command. */
const EXEC_FAILED = /cannot execute the command: (.+)$/s;

/** How it says that the working directory can't be entered: a name of the protocol, the directory in quotes, the kernel's answer. */
const WORKING_DIRECTORY_FAILED = /Process\.Cwd: ("(?:[^"\\]|\\.)*")(?:: | is not there and cannot be made: )(.+?)(?: \(os error \d+\))?$/s;

/** As shells and other container tools have it: 127 not found, 126 found and not to be run. */
export function exitCodeOfStartFailure(message: string): number {
  return /not found|no such file|ENOENT/i.test(message) ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
}

/**
 * The guest's words about a command that can't be run, with the command and the exit code that a shell would give.
 *
 * @param command the program and its arguments, as the guest was told
 */
export function startRefused(problem: DomainError, containerId: string, command: readonly string[]): DomainError {
  const [, directory, why] = WORKING_DIRECTORY_FAILED.exec(problem.message) ?? [];
  if (directory !== undefined && why !== undefined) {
    return new DomainError('PROCESS_START_FAILED', `working directory ${directory}: ${why.charAt(0).toLowerCase()}${why.slice(1)}`, {
      containerId,
      cause: problem,
      remedy: 'make that directory in the container first, or give another working directory (-w)',
      facts: { exit_code: String(COMMAND_NOT_EXECUTABLE) },
    });
  }
  return new DomainError('PROCESS_START_FAILED', nameCommand(problem.message, command), {
    containerId,
    cause: problem,
    remedy: 'check that the command exists in the root file system and may be executed',
    facts: { exit_code: String(exitCodeOfStartFailure(problem.message)) },
  });
}

/** The kernel's answer beside the program it was about. What the guest refuses for other reasons stays as the guest said it. */
function nameCommand(message: string, command: readonly string[]): string {
  const why = EXEC_FAILED.exec(message)?.[1];
  const [program] = command;
  if (why === undefined || program === undefined) return message;
  return `exec: ${JSON.stringify(program)}: ${inWords(why, program)}`;
}

function inWords(why: string, program: string): string {
  if (exitCodeOfStartFailure(why) === COMMAND_NOT_FOUND) return program.includes('/') ? 'no such file or directory' : 'executable file not found in $PATH';
  return why.startsWith('EACCES') ? 'permission denied' : why;
}
