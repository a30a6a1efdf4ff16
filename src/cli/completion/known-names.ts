import { containerStateToJSON } from '../../gen/vivarium/v1/container.ts';
import { sandboxStateToJSON } from '../../gen/vivarium/v1/sandbox.ts';
import { listPages } from '../actions/list-pages.ts';
import type { CommandContext } from '../context.ts';
import { enumText } from '../format/enum-text.ts';
import { fitting, type Candidate } from './suggest.ts';
import type { NameKind } from './placeholders.ts';

type Connect = CommandContext['connect'];

/** What a container or a sandbox is called by. */
interface Named {
  readonly id: string;
  readonly shortId: string;
  readonly name: string;
  readonly about: string;
}

/** Asks the daemon for the names of a kind that begin with `typed`; an id is offered once it has begun to be typed. */
export async function knownNames(connect: Connect, kind: NameKind, typed: string): Promise<Candidate[]> {
  switch (kind) {
    case 'container':
      return offered(await containers(connect), typed);
    case 'sandbox':
      return offered(await sandboxes(connect), typed);
    case 'image':
      return await images(connect, typed);
    case 'profile':
      return fitting((await (await connect('host')).host.listProfiles({})).profiles.map(({ name }) => ({ word: name, about: 'profile' })), typed);
    case 'volume':
      return fitting((await (await connect('volumes')).volumes.listVolumes({})).volumes.map(({ spec }) => ({ word: spec?.name ?? '', about: 'volume' })), typed);
    case 'guest':
      return fitting((await (await connect('guests')).guests.listGuests({})).guests.map(({ name }) => ({ word: name, about: 'guest' })), typed);
  }
}

/** By their short names, and by the full ones once such a one has begun to be typed. */
async function images(connect: Connect, typed: string): Promise<Candidate[]> {
  const found = (await (await connect('host')).host.listImages({})).images;
  return fitting(found.flatMap(({ name, names }) => (typed.includes('/') ? [...new Set([name, ...names])] : [name])).map((word) => ({ word, about: 'image' })), typed);
}

async function containers(connect: Connect): Promise<Named[]> {
  const { containers: client } = await connect('containers');
  const all = await listPages((pageToken) => client.listContainers({ pageToken }), (response) => response.containers);
  return all.map(({ id, shortId, spec, image, state }) =>
    ({ id, shortId, name: spec?.name ?? '', about: `${image} ${enumText(containerStateToJSON(state), 'CONTAINER_STATE_')}`.trim() }));
}

async function sandboxes(connect: Connect): Promise<Named[]> {
  const { sandboxes: client } = await connect('sandboxes');
  const all = await listPages((pageToken) => client.listSandboxes({ pageToken }), (response) => response.sandboxes);
  return all.map(({ id, shortId, spec, state }) => ({ id, shortId, name: spec?.name ?? '', about: `sandbox ${enumText(sandboxStateToJSON(state), 'SANDBOX_STATE_')}` }));
}

function offered(all: readonly Named[], typed: string): Candidate[] {
  return all.flatMap(({ id, shortId, name, about }) => {
    const ids = typed === '' ? [] : [shortId, id];
    const word = [name === '' ? shortId : name, ...ids].find((text) => text.startsWith(typed));
    return word === undefined ? [] : [{ word, about }];
  });
}
