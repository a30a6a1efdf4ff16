import { Command, Help, type Option } from 'commander';
import type { Action, CommandContext } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import type { CliHost } from './host.ts';
import { registerContainerCommands } from './commands/containers.ts';
import { registerCompletionCommands } from './commands/completion.ts';
import { registerDeviceCommands } from './commands/devices.ts';
import { registerDaemonCommands } from './commands/daemon.ts';
import { registerHostCommands, registerVersionCommand } from './commands/host.ts';
import { registerImageCommands } from './commands/images.ts';
import { registerProcessCommands } from './commands/processes.ts';
import { registerSandboxCommands } from './commands/sandboxes.ts';
import { registerVolumeCommands } from './commands/volumes.ts';

export interface GlobalFlags {
  readonly host?: string;
  readonly timeout?: string;
  readonly requestId?: string;
  readonly debug?: boolean;
}

/** One command, parsed and ready to run. */
export interface Runner {
  readonly act: (context: CommandContext) => Promise<number>;
  /** The exit code when it fails without a code of its own. */
  readonly failureCode: number;
}

/** Ties a command of the parser to the function behind it, which is loaded only when it runs. */
export type Bind = <Flags>(command: Command, load: () => Promise<Action<Flags>>, failureCode?: (flags: Flags) => number) => void;

const exitCodesHelp = `
Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    daemon status: not running
  125  run, exec, attach, start -a: the daemon failed, not the process
  126  the process could not be executed
  127  the program was not found
  130  ended by Ctrl-C (128 + signal)
  else the process's own code

Environment: VIVARIUM_HOST, VIVARIUM_TIMEOUT and VIVARIUM_DEBUG stand for the options above.
`;

const groups: readonly { readonly commands: readonly string[]; readonly register: (program: Command, bind: Bind) => void }[] = [
  { commands: ['run', 'create', 'start', 'attach', 'exec'], register: registerProcessCommands },
  { commands: ['stop', 'kill', 'rm', 'pause', 'unpause', 'wait', 'ps', 'ls', 'inspect', 'logs', 'stats', 'top', 'events'], register: registerContainerCommands },
  { commands: ['sandbox', 'sb'], register: registerSandboxCommands },
  { commands: ['image', 'images', 'pull', 'rmi'], register: registerImageCommands },
  { commands: ['guest', 'profile', 'doctor'], register: registerHostCommands },
  { commands: ['device'], register: registerDeviceCommands },
  { commands: ['volume'], register: registerVolumeCommands },
  { commands: ['version'], register: registerVersionCommand },
  { commands: ['daemon'], register: registerDaemonCommands },
  { commands: ['completion'], register: registerCompletionCommands },
];

/** Building all commands takes a tenth of the time of a short one; they are all needed only for help, and to tell what there is not. */
function groupsFor(argv: readonly string[]): ((program: Command, bind: Bind) => void)[] {
  const first = argv.find((word, index) => !word.startsWith('-') && !['-H', '--host', '--timeout', '--request-id'].includes(argv[index - 1] ?? ''));
  const meant = groups.filter(({ commands }) => first !== undefined && commands.includes(first));
  return (meant.length > 0 ? meant : groups).map(({ register }) => register);
}

/** That a flag which may be repeated is empty by default goes without saying. */
const optionDescription = (option: Option): string => (Array.isArray(option.defaultValue) ? option.description : new Help().optionDescription(option));

/**
 * The command line as a tree of commands; parsing one runs it through `execute`.
 * @param argv what is going to be parsed: of the commands, those are built that it can mean
 */
export function buildProgram(argv: readonly string[], host: CliHost, version: string, execute: (runner: Runner, globals: GlobalFlags) => Promise<void>): Command {
  const program = new Command('viv')
    .description('Runs OCI containers inside virtual machines.')
    .option('-H, --host <address>', 'the daemon\'s socket (default: unix:/run/vivarium/vivd.sock)')
    .option('--timeout <duration>', 'give up after this long')
    .option('--request-id <id>', 'id of what is asked for: the same command with the same id is carried out once')
    .option('--debug', 'show codes and stacks of errors')
    .version(version, '-V, --version', 'print the version of viv')
    .helpCommand('help [command]', 'show the help of a command')
    .helpOption('-h, --help', 'show this help')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => { host.stdout.write(text); },
      writeErr: (text) => { host.stderr.write(text); },
      outputError: (text, write) => { write(text.replace(/^error: /, 'viv: ')); },
      getOutHelpWidth: () => host.stdout.columns ?? 100,
      getErrHelpWidth: () => host.stderr.columns ?? 100,
    })
    .configureHelp({ optionDescription })
    .addHelpText('after', exitCodesHelp);
  const bind: Bind = <Flags>(command: Command, load: () => Promise<Action<Flags>>, failureCode: (flags: Flags) => number = () => ExitCode.failed): void => {
    command.action(async () => {
      const flags = command.opts() as Flags;
      const act = async (context: CommandContext): Promise<number> => await (await load())(context, command.args, flags);
      await execute({ act, failureCode: failureCode(flags) }, program.opts<GlobalFlags>());
    });
  };
  for (const register of groupsFor(argv)) register(program, bind);
  return program;
}
