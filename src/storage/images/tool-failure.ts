import { DomainError, invalidRequest } from '../../core/model/errors.ts';
import type { ErrorReason } from '../../core/model/errors.ts';
import type { ToolFailure } from './tool-lines.ts';

const REASONS: Readonly<Record<string, { readonly reason: ErrorReason; readonly remedy: string }>> = {
  not_found: { reason: 'IMAGE_NOT_FOUND', remedy: 'check the name and the tag; a private image may need credentials (viv pull --username)' },
  unauthorized: { reason: 'IMAGE_UNAUTHORIZED', remedy: 'give credentials: viv pull --username NAME --password-stdin, or registry_auth_file of the daemon' },
  forbidden: { reason: 'IMAGE_UNAUTHORIZED', remedy: 'these credentials may not read this image; give others' },
  rate_limited: { reason: 'IMAGE_RATE_LIMITED', remedy: 'wait, sign in, or use a mirror (registry_mirrors)' },
  registry: { reason: 'IMAGE_PULL_FAILED', remedy: 'the registry is at fault: try again later, or use a mirror (registry_mirrors)' },
  unreachable: { reason: 'IMAGE_PULL_FAILED', remedy: 'check name, port and network of the registry; for one without TLS use --insecure' },
  stalled: { reason: 'IMAGE_PULL_FAILED', remedy: 'pull again: it goes on where it was; images.stall_time is how long nothing may come' },
  digest_mismatch: { reason: 'IMAGE_INVALID', remedy: 'the registry, a mirror or the network changed it: pull from another place' },
  bad_image: { reason: 'IMAGE_INVALID', remedy: 'the image is not what the OCI image-spec says; build it again' },
  wrong_platform: { reason: 'IMAGE_WRONG_PLATFORM', remedy: 'use a tag that has this platform, or name one with --platform' },
  too_large: { reason: 'IMAGE_TOO_LARGE', remedy: 'raise images.max_layer or images.max_image if the image is to be trusted' },
  storage_full: { reason: 'STORAGE_FULL', remedy: 'free space in the state directory (viv image prune) and pull it again; nothing of it is left half done' },
  io: { reason: 'HOST_RESOURCE', remedy: 'look at the disk of the state directory' },
  cancelled: { reason: 'CANCELLED', remedy: 'pull again: it goes on where it was' },
};

/** A failure of the tool as an error of ours. `what` was to be done: `pull docker.io/library/x:latest`. */
export function toolError(what: string, field: 'reference' | 'path', failure: ToolFailure): DomainError {
  const { code, message, layer, status } = failure;
  if (code === 'bad_request' || (code === 'not_found' && field === 'path')) return invalidRequest([{ field, description: message }]);
  const known = REASONS[code] ?? { reason: 'HOST_RESOURCE', remedy: "look at the daemon's log" };
  const facts = { image_code: code, ...(layer === '' ? {} : { layer }), ...(status === 0 ? {} : { status: String(status) }) };
  return new DomainError(known.reason, `${what}: ${message}`, { remedy: known.remedy, facts });
}
