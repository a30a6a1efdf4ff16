import { invalidRequest } from './errors.ts';

/** A name of an image, whole: `docker.io/library/busybox:latest`, `registry.example:5000/team/app@sha256:…`. */
export interface ImageReference {
  /** Host and path: `docker.io/library/busybox`. */
  readonly repository: string;
  /** Empty when there is a digest: what a digest names, a tag can't change. */
  readonly tag: string;
  /** `sha256:…`, or empty. */
  readonly digest: string;
  /** The whole, as it is shown and kept. */
  readonly full: string;
}

const DEFAULT_HOST = 'docker.io';
const DEFAULT_NAMESPACE = 'library';
const LONGEST_REPOSITORY = 255;
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads a reference as people write them: without a host it is Docker Hub's, there without a path of its own below `library`, without tag and digest
 * `latest`. With both, the digest counts. Undefined when it is none (distribution's reference grammar).
 */
export function parseImageReference(text: string): ImageReference | undefined {
  const at = text.indexOf('@');
  const [named, digest] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  if (at >= 0 && !DIGEST.test(digest)) return undefined;
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : 'latest';
  const repository = repositoryOf(hasTag ? named.slice(0, colon) : named);
  if (repository === undefined || !TAG.test(tag)) return undefined;
  if (digest !== '') return { repository, tag: '', digest, full: `${repository}@${digest}` };
  return { repository, tag, digest: '', full: `${repository}:${tag}` };
}

/** The same for a field of a request. INVALID_REQUEST. */
export function requireImageReference(field: string, text: string): ImageReference {
  const reference = parseImageReference(text);
  if (reference !== undefined) return reference;
  throw invalidRequest([{ field, description: `"${text}" is no image reference, as "busybox", "registry.example:5000/team/app:1.2" or "app@sha256:…"` }]);
}

/** The shortest text that means the same: `busybox` for `docker.io/library/busybox:latest`. */
export function familiarName(reference: ImageReference): string {
  const hub = `${DEFAULT_HOST}/`;
  const official = `${hub}${DEFAULT_NAMESPACE}/`;
  const { repository } = reference;
  const short = repository.startsWith(official) ? repository.slice(official.length) : repository.startsWith(hub) ? repository.slice(hub.length) : repository;
  return reference.digest === '' ? `${short}:${reference.tag}` : `${short}@${reference.digest}`;
}

function repositoryOf(text: string): string | undefined {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const hasHost = first.includes('.') || first.includes(':') || first === 'localhost' || first !== first.toLowerCase();
  const host = hasHost ? (first === 'index.docker.io' ? DEFAULT_HOST : first) : DEFAULT_HOST;
  const path = hasHost ? text.slice(slash + 1) : text;
  const whole = host === DEFAULT_HOST && !path.includes('/') ? `${DEFAULT_NAMESPACE}/${path}` : path;
  if (!HOST.test(host) || !whole.split('/').every((component) => COMPONENT.test(component))) return undefined;
  // Sixty-four hex digits are an id, not a name.
  if (!hasHost && /^[0-9a-f]{64}$/.test(path)) return undefined;
  const repository = `${host}/${whole}`;
  return repository.length > LONGEST_REPOSITORY ? undefined : repository;
}
