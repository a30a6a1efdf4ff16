import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from '../../src/gen/vivarium/v1/host.ts';
import { ociImage } from '../fakes/oci-image.ts';
import { TestRegistry } from '../fakes/registry.ts';
import type { Cell } from './cells.ts';
import type { MatrixClient, Subject } from './subject.ts';

/** A pull or an import of a few bytes, on a busy host. */
const DONE_MS = 60_000;

export function isOfImage({ plan }: Cell): boolean {
  return plan === 'image-pull' || plan === 'image-import';
}

/** What the cells of images fetch: an image each, with layers that no other has. */
export class MatrixImages implements AsyncDisposable {
  readonly #registry: TestRegistry;
  readonly #home: string;

  private constructor(registry: TestRegistry, home: string) {
    this.#registry = registry;
    this.#home = home;
  }

  static async start(home: string): Promise<MatrixImages> {
    return new MatrixImages(await TestRegistry.start(), home);
  }

  /** Makes one; answers what it is asked for by, which is its subject's name. */
  make({ plan }: Cell, name: string): string {
    if (plan === 'image-pull') return this.#registry.put('matrix', name, ociImage([[{ path: name, content: name }], [{ path: `${name}-above`, content: name }]]));
    const directory = join(this.#home, `import-${name}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), name);
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry[Symbol.asyncDispose]();
  }
}

/** Fetches a cell's image to the end, and answers it. */
export async function fetchImage(client: MatrixClient, { cell, name }: Subject, signal: AbortSignal): Promise<Image | undefined> {
  if (cell.plan === 'image-import') {
    for await (const { message } of client.images.importImage({ path: name, reference: nameOf(name) }, { signal })) {
      if (message?.$case === 'result') return message.value.images[0];
    }
    return undefined;
  }
  for await (const { message } of client.images.pullImage({ reference: name }, { signal })) {
    if (message?.$case === 'result') return message.value.image;
  }
  return undefined;
}

/** It is there whole or not at all, can be fetched now in any case, and leaves when it is told to. */
export async function judgeImage(client: MatrixClient, subject: Subject): Promise<readonly string[]> {
  const reference = subject.cell.plan === 'image-import' ? nameOf(subject.name) : subject.name;
  const wrong: string[] = [];
  const before = await known(client, reference);
  if (before.length > 1) wrong.push(`${before.length} images have its name`);
  if (mustBeThere(subject.cell) && before.length === 0) wrong.push('it was written down and is not there');
  if (isBeforeRecord(subject.cell) && before.length > 0) wrong.push('it is there and was never written down');
  const fetched = await fetchImage(client, subject, AbortSignal.timeout(DONE_MS));
  const id = fetched?.digest ?? '';
  if (before[0] !== undefined && before[0].digest !== id) wrong.push(`it was ${before[0].digest} and is ${id}`);
  if ((await known(client, reference)).length !== 1) wrong.push('it was fetched and has no name');
  const { deleted } = await client.images.removeImage({ reference });
  if (!deleted.includes(id)) wrong.push('it was removed and is there');
  return wrong;
}

async function known(client: MatrixClient, reference: string): Promise<readonly Image[]> {
  return (await client.images.listImages({ reference })).images.filter(({ names }) => names.some((name) => name.endsWith(reference)));
}

/** Whoever was told nothing may have got it, once it was on record. */
function mustBeThere({ at, position }: Cell): boolean {
  return at === 'record' && position === 'after';
}

function isBeforeRecord({ at, position }: Cell): boolean {
  return at !== 'record' || position === 'before';
}

function nameOf(directory: string): string {
  return `imported/${directory.slice(directory.lastIndexOf('-') + 1)}:1`;
}
