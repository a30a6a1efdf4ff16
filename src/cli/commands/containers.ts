import type { Command } from 'commander';
import type { Bind } from '../program.ts';
import { collect, idListingOptions, listingOptions } from './options.ts';

/** The commands about containers that exist. */
export function registerContainerCommands(program: Command, bind: Bind): void {
  registerLifecycle(program, bind);

  const ps = idListingOptions(program.command('ps').alias('ls'), 'containers')
    .description('list containers; filters: label, state, sandbox, name, id, image')
    .option('-a, --all', 'also those that do not run');
  bind(ps, async () => (await import('../actions/ps.ts')).ps);

  const inspect = program.command('inspect <container|sandbox...>').description('everything known of containers or sandboxes, as JSON');
  bind(inspect, async () => (await import('../actions/inspect.ts')).inspect);

  const logs = program.command('logs <container>')
    .description('what a container wrote')
    .option('-f, --follow', 'go on until it ends')
    .option('--since <time>', 'from then on: 2026-01-31T12:00:00Z or 10m')
    .option('-n, --tail <lines>', 'only the last lines', 'all')
    .option('-t, --timestamps', 'when each line was written');
  bind(logs, async () => (await import('../actions/logs.ts')).logs);

  const stats = listingOptions(program.command('stats [container...]'))
    .description('what containers use, again and again')
    .option('--no-stream', 'only once');
  bind(stats, async () => (await import('../actions/stats.ts')).stats);

  const top = listingOptions(program.command('top'))
    .description('what all sandboxes and their containers use, as it changes; q leaves')
    .option('--interval <duration>', 'how often it is drawn, and over which time CPU use is counted', '1s')
    .option('--sort <cpu|memory|pss|uptime|name>', 'what comes first', 'cpu')
    .option('--no-stream', 'only once, as where there is no terminal');
  bind(top, async () => (await import('../actions/top.ts')).top);

  const events = program.command('events')
    .description('what happens, as it happens; filters: sandbox, container, type')
    .option('--since <cursor>', 'go on after this cursor; 0: from the oldest kept')
    .option('-f, --filter <key=value>', 'show only what matches (many times)', collect, [])
    .option('--no-follow', 'end after what is kept')
    .option('-o, --output <text|json>', 'form of the output; json: one line an event', 'text');
  bind(events, async () => (await import('../actions/events.ts')).events);
}

function registerLifecycle(program: Command, bind: Bind): void {
  const stop = program.command('stop <container...>')
    .description('ask containers to end, and end those that do not')
    .option('-t, --time <duration>', 'how long they have (default: 10s)');
  bind(stop, async () => (await import('../actions/container-lifecycle.ts')).stop);

  const kill = program.command('kill <container...>')
    .description('send a signal')
    .option('-s, --signal <signal>', 'name or number', 'SIGKILL')
    .option('-a, --all', 'to every process of the container');
  bind(kill, async () => (await import('../actions/container-lifecycle.ts')).kill);

  const remove = program.command('rm <container...>').description('delete containers').option('-f, --force', 'also those that run').option('-v, --volumes', 'with the volumes that were made for them and have no names');
  bind(remove, async () => (await import('../actions/container-lifecycle.ts')).remove);

  const pause = program.command('pause <container...>').description('freeze the processes of containers');
  bind(pause, async () => (await import('../actions/container-lifecycle.ts')).pause);

  const unpause = program.command('unpause <container...>').description('let them go on');
  bind(unpause, async () => (await import('../actions/container-lifecycle.ts')).unpause);

  const wait = program.command('wait <container...>').description('wait until containers have ended, and print their exit codes');
  bind(wait, async () => (await import('../actions/container-lifecycle.ts')).wait);
}
