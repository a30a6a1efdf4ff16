import { Status } from 'nice-grpc';
import { Image } from '../../src/gen/vivarium/v1/host.ts';
import type { ImageServiceImplementation, ImportImageRequest, PullImageRequest, PullImageResponse, RemoveImageRequest } from '../../src/gen/vivarium/v1/image.ts';
import { refused } from './cli-refused.ts';

const MIB = 1_048_576n;

/** The images of a fake daemon: what is pulled is there, and what is asked for is written down. */
export class FakeImages {
  readonly pulls: PullImageRequest[] = [];
  readonly imports: ImportImageRequest[] = [];
  readonly removals: RemoveImageRequest[] = [];
  readonly images: Image[] = [Image.fromPartial({ name: 'busybox', command: ['sh'], sizeBytes: MIB, digest: `sha256:${'b'.repeat(64)}`, names: ['docker.io/library/busybox:latest'], usedBy: ['c1'] })];
  /** What a registry has. */
  readonly remote = new Set(['registry.test/app:1']);

  service(): ImageServiceImplementation {
    return {
      pullImage: (request) => this.#pull(request),
      importImage: (request) => this.#import(request),
      listImages: async ({ reference }) => ({ images: this.images.filter(({ name }) => name.includes(reference)), totalBytes: 3n * MIB }),
      getImage: async ({ reference }) => ({ image: this.#find(reference) }),
      removeImage: async (request) => {
        this.removals.push(request);
        const image = this.#find(request.reference);
        if (image.usedBy.length > 0 && !request.force) throw refused(Status.FAILED_PRECONDITION, 'IMAGE_IN_USE', '1 container uses the image: c1', { remedy: 'delete it first' });
        return { untagged: image.names, deleted: [image.digest], freedBytes: MIB };
      },
      pruneImages: async ({ all }) => ({ untagged: all ? ['docker.io/library/busybox:latest'] : [], deleted: all ? ['sha256:b'] : [], freedBytes: all ? MIB : 0n }),
    };
  }

  async *#pull(request: PullImageRequest): AsyncGenerator<PullImageResponse> {
    this.pulls.push(request);
    if (!this.remote.has(request.reference)) throw refused(Status.NOT_FOUND, 'IMAGE_NOT_FOUND', `there is no image "${request.reference}"`, { remedy: 'see viv image ls' });
    yield { message: { $case: 'progress', value: { step: 'resolving', layer: '', doneBytes: 0n, totalBytes: 0n } } };
    for (const [step, doneBytes] of [['fetching', 0n], ['fetching', MIB], ['done', 2n * MIB]] as const) yield { message: { $case: 'progress', value: { step, layer: `sha256:${'1'.repeat(64)}`, doneBytes, totalBytes: 2n * MIB } } };
    const image = Image.fromPartial({ name: request.reference, digest: `sha256:${'a'.repeat(64)}`, names: [request.reference], layers: [{}] });
    this.images.push(image);
    yield { message: { $case: 'result', value: { image, upToDate: false, fetchedBytes: 2n * MIB } } };
  }

  async *#import(request: ImportImageRequest): AsyncGenerator<{ message: { $case: 'result'; value: { images: Image[] } } }> {
    this.imports.push(request);
    yield { message: { $case: 'result', value: { images: [Image.fromPartial({ name: 'mine', digest: 'sha256:c', layers: [{}, {}] })] } } };
  }

  #find(reference: string): Image {
    const found = this.images.find(({ name }) => name === reference);
    if (found === undefined) throw refused(Status.NOT_FOUND, 'IMAGE_NOT_FOUND', `there is no image "${reference}"`);
    return found;
  }
}
