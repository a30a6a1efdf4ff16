import type { Command } from 'commander';
import type { Bind } from '../program.ts';
import { collect, listingOptions } from './options.ts';

/** The commands about the host and what the daemon keeps on it. */
export function registerHostCommands(program: Command, bind: Bind): void {
  const guest = program.command('guest').description('what VMs boot');
  const build = guest.command('build <guest>')
    .description('build a guest from the distribution\'s packages')
    .option('--kernel <package-or-file>', 'another kernel')
    .option('--module <name>', 'kernel module (many times)', collect, [])
    .option('--package <name>', 'package (many times)', collect, [])
    .option('--file <source[:destination[:mode]]>', 'file to put into it (many times)', collect, [])
    .option('--init <path>', 'first process instead of the agent');
  bind(build, async () => (await import('../actions/guest-build.ts')).buildGuest);
  bind(listingOptions(guest.command('ls').alias('list')).description('list guests'), async () => (await import('../actions/catalogs.ts')).listGuests);

  const profile = program.command('profile').description('how VMs are made');
  bind(listingOptions(profile.command('ls').alias('list')).description('list profiles'), async () => (await import('../actions/catalogs.ts')).listProfiles);

  const doctor = listingOptions(program.command('doctor')).description('what this host can and cannot do, and what to do about it');
  bind(doctor, async () => (await import('../actions/doctor.ts')).doctor);
  const audit = listingOptions(doctor.command('audit'))
    .description('compare the host with the records: what is orphaned or missing')
    .option('-a, --all', 'every resource with its owner, as -o wide and -o json show them')
    .option('--reap', 'remove what is orphaned')
    .option('--failed', 'delete failed sandboxes again, with what is left of their containers\' layers');
  bind(audit, async () => (await import('../actions/audit.ts')).audit);
  const vfio = listingOptions(doctor.command('vfio')).description('which PCI devices can be passed on to a sandbox: groups, drivers, uses, and what is missing');
  bind(vfio, async () => (await import('../actions/doctor-vfio.ts')).doctorVfio);
}

export function registerVersionCommand(program: Command, bind: Bind): void {
  const version = program.command('version')
    .description('our version, and the daemon\'s when it runs')
    .option('--client', 'only ours')
    .option('-o, --output <text|json>', 'form of the output', 'text');
  bind(version, async () => (await import('../actions/version.ts')).version);
}
