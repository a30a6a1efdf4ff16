import type { Command } from 'commander';
import { defaultDetachKeys } from '../stream/detach-keys.ts';

/** A flag that may be given many times. */
export const collect = (value: string, previous: string[]): string[] => [...previous, value];

export const listingOptions = (command: Command): Command =>
  command.option('-o, --output <table|wide|json>', 'form of the output', 'table');

export const idListingOptions = (command: Command, what: string): Command =>
  listingOptions(command)
    .option('-q, --quiet', `only the ids of ${what}`)
    .option('--no-trunc', 'full ids and commands')
    .option('-f, --filter <key=value>', 'show only what matches (many times)', collect, []);

export const sessionOptions = (command: Command): Command =>
  command
    .option('--detach-keys <keys>', 'what to type to leave the process running', defaultDetachKeys)
    .option('--no-sig-proxy', 'do not pass signals on to the process');

/** The flags that shape a sandbox: of sandbox create, and of run and create when they make one. */
export const sandboxOptions = (command: Command): Command =>
  command
    .option('--hostname <name>', 'host name inside the sandbox')
    .option('--profile <profile>', 'profile of the VM (viv profile ls)')
    .option('--set <key=value>', 'change a key of the profile that it lets callers change (many times)', collect, [])
    .option('--cpus <number>', 'CPUs that the workload may use')
    .option('-m, --memory <size>', 'memory that the workload may use, as 512m')
    .option('--pid <mode>', 'sandbox: one pid namespace for all containers; container: one each')
    .option('--dns <address>', 'name server (many times)', collect, [])
    .option('--dns-search <domain>', 'search domain (many times)', collect, [])
    .option('--dns-option <option>', 'resolver option (many times)', collect, [])
    .option('-l, --label <key=value>', 'label (many times)', collect, [])
    .option('--annotation <key=value>', 'annotation (many times)', collect, []);
