import type { Command } from 'commander';
import type { Bind } from '../program.ts';

/** `viv daemon …` */
export function registerDaemonCommands(program: Command, bind: Bind): void {
  const group = program.command('daemon').description('the daemon in the background');
  const start = group.command('start [option...]')
    .description('start the daemon and wait until it serves; options after -- are handed to it')
    .option('--root <directory>', 'where it keeps its records (VIVARIUM_ROOT; default: /var/lib/vivarium)')
    .option('--run <directory>', 'where it keeps its sockets (VIVARIUM_RUN; default: /run/vivarium)')
    .option('--listen <address>', 'its socket (VIVARIUM_LISTEN; default: --host, else unix:RUN/vivd.sock)')
    .option('--metrics <host:port>', 'where it serves metrics (VIVARIUM_METRICS)')
    .option('--time <duration>', 'how long to wait for it', '30s');
  bind(start, async () => (await import('../actions/daemon-start.ts')).startDaemon);

  const stop = group.command('stop')
    .description('end the daemon; its sandboxes go on')
    .option('--time <duration>', 'how long to wait for it', '30s');
  bind(stop, async () => (await import('../actions/daemon-stop.ts')).stopDaemon);

  const status = group.command('status')
    .description('whether the daemon runs (exit code 3: no)')
    .option('-o, --output <text|json>', 'form of the output', 'text');
  bind(status, async () => (await import('../actions/daemon-status.ts')).daemonStatus);
}
