import type { ImageSettings } from '../../core/model/image.ts';
import { NO_SETTINGS } from '../../core/model/image.ts';
import { parseImageReference } from '../../core/model/image-reference.ts';
import type { Platform, RegistryAuth } from '../../core/ports/images.ts';
import type { ImageConfig } from '../../gen/vivarium/v1/host.ts';
import { PullPolicy } from '../../gen/vivarium/v1/image.ts';
import type { ImportImageRequest, PullImageRequest, RegistryAuth as RegistryAuthMessage, RemoveImageRequest } from '../../gen/vivarium/v1/image.ts';
import type { ImageImportSpec, ImagePullSpec } from '../services/image-facade.ts';
import type { FieldErrors } from './field-errors.ts';
import { parsed } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { checkAbsolutePath, checkLabels, checkRequestId, hasNul } from './validate-fields.ts';

const PLATFORM = /^([a-z0-9]{1,32})\/([a-z0-9_]{1,32})(?:\/([a-z0-9.]{1,32}))?$/;
const ID = /^(?:sha256:)?[0-9a-f]{4,64}$/;
const POLICIES: ReadonlyMap<PullPolicy, ImagePullSpec['policy']> = new Map([
  [PullPolicy.PULL_POLICY_UNSPECIFIED, 'missing'], [PullPolicy.PULL_POLICY_MISSING, 'missing'], [PullPolicy.PULL_POLICY_ALWAYS, 'always'], [PullPolicy.PULL_POLICY_NEVER, 'never'],
]);

export function parsePullImage(request: PullImageRequest): { readonly spec: ImagePullSpec; readonly requestId: string } {
  return parsed((errors) => {
    const policy = POLICIES.get(request.policy);
    errors.check(policy !== undefined, 'policy', 'is none of the known policies');
    const spec = Object.freeze({
      reference: checkImage(errors, request.reference),
      policy: policy ?? 'missing',
      auth: checkAuth(errors, request.auth),
      insecure: request.insecure,
      platform: checkPlatform(errors, request.platform),
    });
    return { spec, requestId: checkRequestId(errors, request.requestId) };
  });
}

export function parseImportImage(request: ImportImageRequest): { readonly spec: ImageImportSpec; readonly requestId: string } {
  return parsed((errors) => {
    if (request.reference !== '') errors.check(parseImageReference(request.reference)?.digest === '', 'reference', 'is no name with an optional tag');
    const spec = Object.freeze({ path: checkAbsolutePath(errors, 'path', request.path), reference: request.reference, settings: checkSettings(errors, request.config) });
    return { spec, requestId: checkRequestId(errors, request.requestId) };
  });
}

export function parseRemoveImage(request: RemoveImageRequest): { readonly reference: string; readonly force: boolean; readonly requestId: string } {
  return parsed((errors) => ({ reference: checkImage(errors, request.reference), force: request.force, requestId: checkRequestId(errors, request.requestId) }));
}

/** A name, or an id or its beginning. */
export function parseImageName(reference: string): string {
  return parsed((errors) => checkImage(errors, reference));
}

/** What may stand for an image: a name, an id, or the beginning of one. */
export function isImageText(text: string): boolean {
  return text.length <= LIMITS.imageReferenceLength && (ID.test(text) || parseImageReference(text) !== undefined);
}

function checkImage(errors: FieldErrors, reference: string): string {
  if (!errors.check(reference !== '', 'reference', 'is required')) return reference;
  errors.check(isImageText(reference), 'reference',
    'is neither an image\'s name, as "busybox", "registry.example:5000/team/app:1.2" or "app@sha256:…", nor an id');
  return reference;
}

function checkAuth(errors: FieldErrors, auth: RegistryAuthMessage | undefined): RegistryAuth | undefined {
  if (auth === undefined) return undefined;
  const { username, password, identityToken } = auth;
  errors.check(identityToken === '' || username === '', 'auth', 'has a token and a user; one of them is used');
  errors.check(identityToken !== '' || username !== '', 'auth', 'is empty');
  errors.check(!username.includes(':'), 'auth.username', 'must not contain ":"');
  for (const [field, value] of Object.entries({ username, password, identity_token: identityToken })) errors.check(value.length <= LIMITS.secretLength && !hasNul(value), `auth.${field}`, `must be at most ${LIMITS.secretLength} characters without NUL`);
  return Object.freeze({ username, password, identityToken });
}

function checkPlatform(errors: FieldErrors, text: string): Platform | undefined {
  if (text === '') return undefined;
  const [, os = '', architecture = '', variant = ''] = PLATFORM.exec(text) ?? [];
  errors.check(os !== '', 'platform', 'must be as "linux/amd64" or "linux/arm/v7"');
  return Object.freeze({ os, architecture, variant });
}

function checkSettings(errors: FieldErrors, config: ImageConfig | undefined): ImageSettings {
  if (config === undefined) return NO_SETTINGS;
  const lists = { entrypoint: config.entrypoint, command: config.command, env: config.env, volumes: config.volumes, exposed_ports: config.exposedPorts };
  for (const [field, values] of Object.entries(lists)) {
    errors.check(values.length <= LIMITS.argumentCount, `config.${field}`, `has ${values.length} entries, at most ${LIMITS.argumentCount} are allowed`);
    values.slice(0, LIMITS.argumentCount).forEach((value, index) => { errors.check(!hasNul(value) && Buffer.byteLength(value) <= LIMITS.argumentBytes, `config.${field}[${index}]`, 'is too long, or has a NUL'); });
  }
  config.volumes.forEach((path, index) => { checkAbsolutePath(errors, `config.volumes[${index}]`, path); });
  if (config.workingDir !== '') checkAbsolutePath(errors, 'config.working_dir', config.workingDir);
  return Object.freeze({
    entrypoint: [...config.entrypoint],
    command: [...config.command],
    env: [...config.env],
    workingDir: config.workingDir,
    user: config.user,
    stopSignal: config.stopSignal,
    volumes: [...config.volumes],
    exposedPorts: [...config.exposedPorts],
    labels: checkLabels(errors, 'config.labels', config.labels),
  });
}
