import type { Command } from 'commander';
import { ExitCode } from '../exit-codes.ts';
import type { Bind } from '../program.ts';
import { collect, sandboxOptions, sessionOptions } from './options.ts';

/** What failed was not the process that was to be run. */
const daemonFailed = (): number => ExitCode.daemonFailed;

/** The commands that create containers or sit in front of a process. */
export function registerProcessCommands(program: Command, bind: Bind): void {
  const run = sessionOptions(containerOptions(program.command('run')))
    .description('run a command in a new container, by default in a new sandbox')
    .option('-d, --detach', 'leave it running and print its id')
    .option('--timings', 'print the phases of every step and their times to standard error');
  bind(run, async () => (await import('../actions/run.ts')).run, daemonFailed);

  const create = containerOptions(program.command('create')).description('create a container without starting it, and print its id');
  bind(create, async () => (await import('../actions/create.ts')).create, daemonFailed);

  const start = sessionOptions(program.command('start <container...>'))
    .description('start containers that were created')
    .option('-a, --attach', 'show its output until it ends, and end with its code')
    .option('-i, --interactive', 'hand standard input to it');
  bind(start, async () => (await import('../actions/attach.ts')).start, (flags) => (flags.attach === true || flags.interactive === true ? ExitCode.daemonFailed : ExitCode.failed));

  const attach = sessionOptions(program.command('attach <container>'))
    .description('join the streams of a running container')
    .option('--no-stdin', 'only watch')
    .option('--replay', 'show what was written before, too');
  bind(attach, async () => (await import('../actions/attach.ts')).attach, daemonFailed);

  registerExec(program, bind);
}

function registerExec(program: Command, bind: Bind): void {
  const exec = sessionOptions(program.command('exec <container> <command...>'))
    .description('run a further command in a running container')
    .passThroughOptions()
    .option('-i, --interactive', 'hand standard input to it')
    .option('-t, --tty', 'give it a terminal')
    .option('-d, --detach', 'leave it running')
    .option('-e, --env <key=value>', 'environment variable; KEY alone takes ours (many times)', collect, [])
    .option('-w, --workdir <directory>', 'working directory')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .option('--privileged', 'with all capabilities');
  bind(exec, async () => (await import('../actions/exec.ts')).exec, daemonFailed);
}

function containerOptions(command: Command): Command {
  command
    .argument('[image]', 'image; none with --rootfs or --bundle')
    .argument('[command...]', 'command and its arguments, after an optional --')
    .passThroughOptions()
    .option('-i, --interactive', 'hand standard input to it')
    .option('-t, --tty', 'give it a terminal')
    .option('--rm', 'remove it, and the sandbox made for it, when it has ended')
    .option('--name <name>', 'name of the container')
    .option('-e, --env <key=value>', 'environment variable; KEY alone takes ours (many times)', collect, [])
    .option('-w, --workdir <directory>', 'working directory')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .option('-v, --volume <source:container[:options]>', 'show it a path of the daemon\'s host (options ro, bind, slave), or a volume by its name (ro, nocopy) (many times)', collect, [])
    .option('--device <device>', '/dev/NAME[:PATH[:rwm]] or block:PATH[,target=PATH,…]: a device of the container (many times)', collect, [])
    .option('--mount <keys>', 'type=bind|volume,source=…,destination=…[,readonly] or type=tmpfs,destination=…[,tmpfs-size=…] (many times)', collect, [])
    .option('--tmpfs <container[:options]>', 'memory of the guest; options size, mode, ro (many times)', collect, [])
    .option('--sandbox <sandbox>', 'join this sandbox instead of making one')
    .option('--rootfs <directory>', 'a directory of the daemon\'s host as root file system')
    .option('--rootfs-mode <mode>', 'how it reaches the guest: auto (the default), block, virtiofs, 9p or none')
    .option('--bundle <directory>', 'an OCI bundle')
    .option('--entrypoint <command>', 'replace the image\'s entrypoint')
    .option('--pull <missing|always|never>', 'when to fetch the image from its registry', 'missing')
    .option('--cidfile <file>', 'write the container\'s id to a new file');
  return securityOptions(sandboxOptions(command));
}

const securityOptions = (command: Command): Command =>
  command
    .option('--privileged', 'all capabilities, no masked paths; no devices of the host')
    .option('--cap-add <capability>', 'add a capability, or ALL (many times)', collect, [])
    .option('--cap-drop <capability>', 'drop a capability, or ALL (many times)', collect, [])
    .option('--security-opt <option>', 'no-new-privileges, unmask=ALL or seccomp=FILE (many times)', collect, [])
    .option('--read-only', 'read-only root file system')
    .option('--ulimit <name=soft[:hard]>', 'resource limit (many times)', collect, [])
    .option('--sysctl <key=value>', 'kernel parameter (many times)', collect, [])
    .option('--shm-size <size>', 'size of /dev/shm, as 64m')
    .option('--pids-limit <number>', 'how many processes it may have')
    .option('--cpu-shares <number>', 'weight against the other containers of the sandbox')
    .option('--cpuset-cpus <list>', 'CPUs of the VM that it may use, as 0-1')
    .option('--stop-signal <signal>', 'signal that asks it to end');
