import { failedWith } from '../client/daemon-failure.ts';
import { UsageError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';

export type ImagePolicy = 'missing' | 'always' | 'never';

/** @throws {UsageError} */
export function imagePolicy(text: string): ImagePolicy {
  if (text === 'missing' || text === 'always' || text === 'never') return text;
  throw new UsageError(`--pull: there is no "${text}"`, 'known are missing, always and never');
}

/**
 * Makes a container. Whether its image is there is not asked before: it is fetched when the container could not be made for want of it, so one whose
 * image is there waits for nothing.
 * @param image undefined: it needs none
 */
export async function withImage<T>(context: CommandContext, image: string | undefined, policy: ImagePolicy, create: () => Promise<T>): Promise<T> {
  if (image === undefined || policy !== 'missing') return await create();
  try {
    return await create();
  } catch (error) {
    if (!failedWith(error, 'IMAGE_NOT_FOUND')) throw error;
  }
  await fetchImage(context, image, policy);
  return await create();
}

/** Fetches an image for a container that is to be made from it. */
export async function fetchImage(context: CommandContext, reference: string, policy: 'missing' | 'always'): Promise<void> {
  const { pullByName } = await import('./image-pull.ts');
  await pullByName(context, reference, policy);
}
