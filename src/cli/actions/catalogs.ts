import { Guest } from '../../gen/vivarium/v1/guest.ts';
import { Profile } from '../../gen/vivarium/v1/host.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import { timeAgo } from '../format/relative-time.ts';

export const listGuests: Action<ListingFlags> = async (context, _operands, flags) => {
  const now = context.host.clock.now();
  const { guests } = await (await context.connect('guests')).guests.listGuests({});
  printListing(context, flags, {
    columns: [
      { title: 'NAME', text: (row) => row.name },
      { title: 'KERNEL', text: (row) => row.kernelVersion },
      { title: 'AGENT', text: (row) => row.agentVersion },
      { title: 'SIZE', text: (row) => describeBytes(row.kernelBytes + row.initramfsBytes) },
      { title: 'BUILT', text: (row) => timeAgo(row.builtAt, now) },
      { title: 'DIGEST', text: (row) => row.digest, wide: true },
      { title: 'DIRECTORY', text: (row) => row.directory, wide: true },
    ],
    rows: guests,
    json: { guests: guests.map((guest) => Guest.toJSON(guest)) },
  });
  return ExitCode.ok;
};

export const listProfiles: Action<ListingFlags> = async (context, _operands, flags) => {
  const { profiles } = await (await context.connect('host')).host.listProfiles({});
  printListing(context, flags, {
    columns: [
      { title: 'NAME', text: (row) => row.name },
      { title: 'FROM', text: (row) => (row.path === '' ? 'built in' : row.path) },
      { title: 'CALLERS MAY SET', text: (row) => row.allowedOverrides.join(' '), maxWidth: 60 },
    ],
    rows: profiles,
    json: { profiles: profiles.map((profile) => Profile.toJSON(profile)) },
  });
  return ExitCode.ok;
};
