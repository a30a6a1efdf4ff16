import type { Command } from 'commander';
import type { Bind } from '../program.ts';
import { collect, listingOptions } from './options.ts';

/** `viv image …`, and the short forms that other container tools have: `pull`, `images`, `rmi`. */
export function registerImageCommands(program: Command, bind: Bind): void {
  const image = program.command('image').description('what containers are made from');
  for (const pull of [program.command('pull <reference>'), image.command('pull <reference>')]) {
    bind(pullOptions(pull), async () => (await import('../actions/image-pull.ts')).pullImage);
  }
  for (const list of [program.command('images [part]'), image.command('ls [part]').alias('list')]) {
    bind(listingOptions(list).description('list images, or those with this in a name').option('-q, --quiet', 'only their ids').option('--no-trunc', 'full ids'), async () => (await import('../actions/images.ts')).listImages);
  }
  for (const remove of [program.command('rmi <image...>'), image.command('rm <image...>')]) {
    bind(remove.description('take names of images away, and images with their last name').option('-f, --force', 'all names of each; what containers use goes with the last of them'), async () => (await import('../actions/images.ts')).removeImages);
  }
  bind(image.command('inspect <image...>').description('everything known of images, as JSON'), async () => (await import('../actions/images.ts')).inspectImages);

  const prune = image.command('prune')
    .description('remove images without a name that no container uses, and what given-up pulls have fetched')
    .option('-a, --all', 'also those with names')
    .option('-f, --force', 'as other tools have it; nothing is asked here in any case');
  bind(prune, async () => (await import('../actions/images.ts')).pruneImages);

  registerImport(image, bind);
}

function registerImport(image: Command, bind: Bind): void {
  const command = image.command('import <file> [reference]')
    .description("take images from an OCI layout, a docker archive or a root file system on the daemon's host; the options are for the last")
    .option('--entrypoint <command>', 'what its containers run')
    .option('--cmd <command>', 'arguments of it')
    .option('-e, --env <key=value>', 'environment variable (many times)', collect, [])
    .option('-w, --workdir <directory>', 'working directory')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .option('--stop-signal <signal>', 'what asks its first process to end')
    .option('--volume <path>', 'directory whose content is data (many times)', collect, [])
    .option('-l, --label <key=value>', 'label (many times)', collect, [])
    .option('-q, --quiet', 'no progress');
  bind(command, async () => (await import('../actions/image-import.ts')).importImage);
}

const pullOptions = (command: Command): Command =>
  command
    .description('fetch an image from its registry, and print its id')
    .option('--platform <os/architecture[/variant]>', "another than the host's, as linux/arm64")
    .option('--policy <missing|always|never>', 'always: look whether the registry has another one by now', 'always')
    .option('--insecure', 'without TLS, or without a known certificate')
    .option('--creds <user[:password]>', 'credentials for the registry')
    .option('--username <user>', 'user of the registry')
    .option('--password-stdin', 'read the password from standard input')
    .option('-q, --quiet', 'no progress');
