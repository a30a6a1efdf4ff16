import type { BuildGuestRequest } from '../../gen/vivarium/v1/guest.ts';
import type { GuestBuildSpec } from '../services/facade.ts';
import { parsed } from './field-errors.ts';
import type { FieldErrors } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { checkAbsolutePath, checkRequestId } from './validate-fields.ts';

/** As the guest builder takes them (guest/builder/options.ts). */
const GUEST_NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
/** Debian policy 5.6.1; a kernel may be a file as well. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]{1,127}$/;
/** A module, and its parameters behind it. */
const MODULE = /^[a-zA-Z0-9_-]{1,64}( [\x21-\x7e]{1,256}){0,32}$/;

/** The whole request, or INVALID_REQUEST with every field error. */
export function parseBuildGuest(request: BuildGuestRequest): { spec: GuestBuildSpec; requestId: string } {
  return parsed((errors) => {
    if (request.kernel !== '' && !PACKAGE.test(request.kernel)) checkAbsolutePath(errors, 'kernel', request.kernel);
    if (request.init !== '') checkAbsolutePath(errors, 'init', request.init);
    errors.check(request.files.length <= LIMITS.guestPackages, 'files', `has ${request.files.length} entries, at most ${LIMITS.guestPackages} are allowed`);
    const files = request.files.slice(0, LIMITS.guestPackages).map((file, index) => {
      errors.check(file.mode <= 0o7777, `files[${index}].mode`, 'must be permission bits, at most 07777');
      const source = checkAbsolutePath(errors, `files[${index}].source`, file.source);
      const destination = checkAbsolutePath(errors, `files[${index}].destination`, file.destination);
      errors.check(!`${source}${destination}`.includes(':'), `files[${index}]`, 'a path with ":" can not be given');
      errors.check(!destination.split('/').includes('..'), `files[${index}].destination`, 'must not contain ".."');
      return Object.freeze({ source, destination, mode: file.mode });
    });
    const spec = Object.freeze({
      name: checkGuestName(errors, request.name),
      kernel: request.kernel,
      modules: checkEach(errors, 'modules', request.modules, MODULE, 'must be the name of a kernel module, parameters behind it'),
      packages: checkEach(errors, 'packages', request.packages, PACKAGE, 'must be the name of a Debian package'),
      files: Object.freeze(files),
      init: request.init,
    });
    return { spec, requestId: checkRequestId(errors, request.requestId) };
  });
}

function checkGuestName(errors: FieldErrors, name: string): string {
  errors.check(GUEST_NAME.test(name), 'name', 'must match [a-z0-9][a-z0-9_.-]{0,62}');
  return name;
}

function checkEach(errors: FieldErrors, field: string, values: readonly string[], pattern: RegExp, rule: string): readonly string[] {
  errors.check(values.length <= LIMITS.guestPackages, field, `has ${values.length} entries, at most ${LIMITS.guestPackages} are allowed`);
  for (const [index, value] of values.slice(0, LIMITS.guestPackages).entries()) errors.check(pattern.test(value), `${field}[${index}]`, rule);
  return Object.freeze([...values]);
}
