import type { Command } from 'commander';
import type { Bind } from '../program.ts';
import { collect, listingOptions } from './options.ts';

/** `viv volume …` */
export function registerVolumeCommands(program: Command, bind: Bind): void {
  const group = program.command('volume').description('data that outlives containers');

  const create = group.command('create [name]')
    .description('make a volume, and print its name')
    .option('--kind <directory|block>', 'block: a disk of its own size, for one VM at a time', 'directory')
    .option('--size <size>', 'of a block volume, as 1G')
    .option('--fs <ext4|none>', 'of a block volume; none: its user formats it')
    .option('--mode <octal>', "permission bits of a directory's top (default: 755)")
    .option('-l, --label <key=value>', 'label (many times)', collect, []);
  bind(create, async () => (await import('../actions/volumes.ts')).createVolume);

  const list = listingOptions(group.command('ls').alias('list'))
    .description('list volumes; filters: label, dangling')
    .option('-q, --quiet', 'only their names')
    .option('-f, --filter <key=value>', 'show only what matches (many times)', collect, []);
  bind(list, async () => (await import('../actions/volumes.ts')).listVolumes);

  bind(group.command('inspect <volume...>').description('everything known of volumes, as JSON'), async () => (await import('../actions/volumes.ts')).inspectVolumes);

  const remove = group.command('rm <volume...>')
    .description('remove volumes with their data; one that a container uses stays')
    .option('-f, --force', 'what is gone already is no failure');
  bind(remove, async () => (await import('../actions/volumes.ts')).removeVolumes);

  const resize = group.command('resize <volume>')
    .description('make a block volume larger, also while it is used')
    .requiredOption('--size <size>', 'its new size, as 2G');
  bind(resize, async () => (await import('../actions/volumes.ts')).resizeVolume);

  bind(listingOptions(group.command('stats [volume...]')).description('what volumes hold and have room for'), async () => (await import('../actions/volumes.ts')).volumeStats);

  const prune = group.command('prune')
    .description('remove volumes that were made for a container, and that no container uses any more')
    .option('-a, --all', 'also those with names')
    .option('-f, --filter <key=value>', 'only those that match; filter: label (many times)', collect, []);
  bind(prune, async () => (await import('../actions/volumes.ts')).pruneVolumes);
}
