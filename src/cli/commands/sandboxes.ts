import type { Command } from 'commander';
import type { Bind } from '../program.ts';
import { collect, idListingOptions, listingOptions, sandboxOptions } from './options.ts';

/** `viv sandbox …` */
export function registerSandboxCommands(program: Command, bind: Bind): void {
  const group = program.command('sandbox').alias('sb').description('virtual machines that hold containers');

  const create = sandboxOptions(group.command('create'))
    .description('boot a VM that is ready to take containers, and print its id')
    .option('--name <name>', 'name of the sandbox')
    .option('--timings', 'print the phases and their times to standard error')
    .option('-o, --output <json>', 'json: the whole answer');
  bind(create, async () => (await import('../actions/sandbox-lifecycle.ts')).createSandbox);

  const list = idListingOptions(group.command('ls').alias('list'), 'sandboxes').description('list sandboxes; filters: label, state, name, id');
  bind(list, async () => (await import('../actions/sandbox-list.ts')).listSandboxes);

  const inspect = group.command('inspect <sandbox...>').description('everything known of sandboxes, as JSON');
  bind(inspect, async () => (await import('../actions/inspect.ts')).inspectSandbox);

  const stats = listingOptions(group.command('stats <sandbox>'))
    .description('what a sandbox uses on the host and inside')
    .option('--no-stream', 'only once');
  bind(stats, async () => (await import('../actions/sandbox-stats.ts')).sandboxStats);

  const console = group.command('console <sandbox>')
    .description('the serial console of the VM')
    .option('-i, --interactive', 'type into it')
    .option('--no-replay', 'without what is kept of the past')
    .option('--no-follow', 'end after what is kept')
    .option('--detach-keys <keys>', 'what to type to leave it', 'ctrl-p,ctrl-q');
  bind(console, async () => (await import('../actions/console.ts')).console);

  registerLifecycle(group, bind);
}

function registerLifecycle(group: Command, bind: Bind): void {
  const start = group.command('start <sandbox...>').description('boot stopped sandboxes again, and start their containers');
  bind(start, async () => (await import('../actions/sandbox-lifecycle.ts')).startSandbox);

  const stop = group.command('stop <sandbox...>')
    .description('stop the containers, then the VM')
    .option('-t, --time <duration>', 'how long the containers have (default: 10s)')
    .option('-f, --force', 'end the VM at once');
  bind(stop, async () => (await import('../actions/sandbox-lifecycle.ts')).stopSandbox);

  const remove = group.command('rm <sandbox...>').description('delete sandboxes with all that is in them').option('-f, --force', 'also those that run').option('-v, --volumes', 'with the volumes that were made for their containers and have no names');
  bind(remove, async () => (await import('../actions/sandbox-lifecycle.ts')).removeSandbox);

  const pause = group.command('pause <sandbox...>').description('stop the clock of whole VMs');
  bind(pause, async () => (await import('../actions/sandbox-lifecycle.ts')).pauseSandbox);

  const resume = group.command('resume <sandbox...>').description('let them go on, with the right time');
  bind(resume, async () => (await import('../actions/sandbox-lifecycle.ts')).resumeSandbox);

  const wait = group.command('wait <sandbox...>').description('wait until sandboxes have ended, and print how');
  bind(wait, async () => (await import('../actions/sandbox-lifecycle.ts')).waitSandbox);

  const update = group.command('update <sandbox...>')
    .description('replace the labels')
    .option('-l, --label <key=value>', 'label (many times)', collect, []);
  bind(update, async () => (await import('../actions/sandbox-lifecycle.ts')).updateSandbox);
}
