import type { Command } from 'commander';
import type { Bind } from '../program.ts';
import { listingOptions } from './options.ts';

/** `viv device …` */
export function registerDeviceCommands(program: Command, bind: Bind): void {
  const group = program.command('device').description('devices that are plugged into a VM while it runs');

  const attach = group.command('attach <sandbox> <device>')
    .description('plug a device in, and print how the guest calls it: block:PATH[,format=raw|qcow2,ro,serial=…,bus=…,aio=…,cache=…,discard], vfio:ADDRESS or /dev/vfio/GROUP')
    .requiredOption('--id <id>', 'its name in the sandbox')
    .option('--timings', 'print the phases and their times to standard error')
    .option('-o, --output <json>', 'json: the whole answer');
  bind(attach, async () => (await import('../actions/devices.ts')).attachDevice);

  const detach = group.command('detach <sandbox> <id...>')
    .description('plug devices out')
    .option('-f, --force', 'do not ask the guest whether it uses them')
    .option('--timings', 'print the phases and their times to standard error');
  bind(detach, async () => (await import('../actions/devices.ts')).detachDevice);

  const list = listingOptions(group.command('ls <sandbox>').alias('list').option('-q, --quiet', 'only the ids')).description('list the devices of a sandbox');
  bind(list, async () => (await import('../actions/devices.ts')).listDevices);
}
