import { DomainError } from '../../core/model/errors.ts';
import type { JsonObject } from '../json-document.ts';
import { hookOf } from './bundle-base.ts';
import { BundleFields } from './bundle-fields.ts';
import type { OciHook } from './runtime-spec.ts';
import { Violations } from './violations.ts';

/**
 * The hooks of a bundle that run on the host, in the order of their moments (runtime-spec, config.md, "POSIX-platform Hooks"):
 * `beforeStart` (prestart, then createRuntime) once the container is made and before it is started; a failure there undoes the create.
 * `afterStart` (poststart) and `afterDelete` (poststop): a failure is logged and changes nothing.
 */
export interface HostHooks {
  readonly beforeStart: readonly OciHook[];
  readonly afterStart: readonly OciHook[];
  readonly afterDelete: readonly OciHook[];
}

/** Throws INVALID_REQUEST for hooks that are none, UNSUPPORTED for createContainer, whose program is the host's and whose namespaces are the guest's, and for startContainer. */
export function hostHooks(config: JsonObject): HostHooks {
  const violations = new Violations();
  const hooks = new BundleFields(config, '', violations).object('hooks');
  const listOf = (moment: string): readonly OciHook[] => hooks.objects(moment).map((fields, index) => {
    const hook = hookOf(fields);
    if (!hook.path.startsWith('/')) violations.add(`spec.bundle_path: hooks.${moment}[${index}].path`, `"${hook.path}" is not an absolute path`);
    if (hook.timeout !== undefined && hook.timeout <= 0) violations.add(`spec.bundle_path: hooks.${moment}[${index}].timeout`, 'it is not a number of seconds above 0');
    return hook;
  });
  const found = { beforeStart: [...listOf('prestart'), ...listOf('createRuntime')], afterStart: listOf('poststart'), afterDelete: listOf('poststop') };
  violations.throwIfAny();
  if (hooks.objects('createContainer').length > 0) {
    throw new DomainError('UNSUPPORTED', "the bundle has createContainer hooks: programs of the host that run in the container's namespaces, which are in the guest", { remedy: 'use createRuntime (on the host)' });
  }
  if (hooks.objects('startContainer').length > 0) {
    throw new DomainError('UNSUPPORTED', 'the bundle has startContainer hooks, which the guest does not run', { remedy: 'do what they do at the beginning of the command, or use createRuntime (on the host)' });
  }
  return found;
}
