import type {
  GetImageRequest, GetImageResponse, ImageServiceImplementation, ImageServiceListImagesRequest, ImageServiceListImagesResponse, ImportImageRequest, ImportImageResponse,
  PruneImagesRequest, PruneImagesResponse, PullImageRequest, PullImageResponse, RemoveImageRequest, RemoveImageResponse,
} from '../../gen/vivarium/v1/image.ts';
import type { ImageOperations } from '../services/image-facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { bytes } from './convert-common.ts';
import { imageToWire, importEventToWire, pullEventToWire, removedToWire } from './convert-image.ts';
import { parsed } from './field-errors.ts';
import { checkRequestId } from './validate-fields.ts';
import { parseImageName, parseImportImage, parsePullImage, parseRemoveImage } from './validate-image.ts';

/** vivarium.v1.ImageService: parse, call, convert. */
export class ImageService implements ImageServiceImplementation<RequestContext> {
  readonly #images: ImageOperations;

  constructor(images: ImageOperations) {
    this.#images = images;
  }

  async *pullImage(request: PullImageRequest, { signal, attempt }: ApiContext): AsyncGenerator<PullImageResponse, void, undefined> {
    const { spec, requestId } = parsePullImage(request);
    for await (const event of this.#images.pull(spec, { requestId, signal, attempt })) yield pullEventToWire(event);
  }

  async *importImage(request: ImportImageRequest, { signal, attempt }: ApiContext): AsyncGenerator<ImportImageResponse, void, undefined> {
    const { spec, requestId } = parseImportImage(request);
    for await (const event of this.#images.importImage(spec, { requestId, signal, attempt })) yield importEventToWire(event);
  }

  async listImages({ reference }: ImageServiceListImagesRequest): Promise<ImageServiceListImagesResponse> {
    const { views, totalBytes } = await this.#images.list(reference);
    return { images: views.map(imageToWire), totalBytes: bytes(totalBytes) };
  }

  async getImage({ reference }: GetImageRequest): Promise<GetImageResponse> {
    return { image: imageToWire(await this.#images.get(parseImageName(reference))) };
  }

  async removeImage(request: RemoveImageRequest, { signal, attempt }: ApiContext): Promise<RemoveImageResponse> {
    const { reference, force, requestId } = parseRemoveImage(request);
    return removedToWire(await this.#images.remove(reference, { force }, { requestId, signal, attempt }));
  }

  async pruneImages(request: PruneImagesRequest, { signal, attempt }: ApiContext): Promise<PruneImagesResponse> {
    const requestId = parsed((errors) => checkRequestId(errors, request.requestId));
    return removedToWire(await this.#images.prune({ all: request.all }, { requestId, signal, attempt }));
  }
}
