import type { OciSpec } from '../../core/ports/agent.ts';
import type { Hook, Hooks, Mount, Root, Spec } from '../../gen/agent/oci.ts';
import { JsonReader } from './json-reader.ts';
import { readLinux } from './oci-linux.ts';
import { readProcess } from './oci-process.ts';
import { refuseFields } from './refuse-fields.ts';

/**
 * An OCI runtime spec (runtime-spec 1.0, JSON spelling) as the kata protocol's message. INVALID_REQUEST names every field that has a wrong type, or
 * that the protocol has no place for: a limit must not vanish on the way.
 */
export function toSpecMessage(spec: OciSpec): Spec {
  const reader = new JsonReader(spec, '');
  const message = readSpec(reader);
  reader.finish();
  return message;
}

function readSpec(spec: JsonReader): Spec {
  refuseFields(spec, ['domainname', 'vm', 'zos']);
  return {
    Version: spec.at('ociVersion').text(),
    Process: spec.at('process').maybe(readProcess),
    Root: spec.at('root').maybe(readRoot),
    Hostname: spec.at('hostname').text(),
    Mounts: spec.at('mounts').list(readMount),
    Hooks: spec.at('hooks').maybe(readHooks),
    Annotations: spec.at('annotations').textMap(),
    Linux: spec.at('linux').maybe(readLinux),
    Solaris: undefined,
    Windows: undefined,
  };
}

function readRoot(root: JsonReader): Root {
  return { Path: root.at('path').text(), Readonly: root.at('readonly').flag() };
}

function readMount(mount: JsonReader): Mount {
  refuseFields(mount, ['uidMappings', 'gidMappings']);
  return {
    destination: mount.at('destination').text(),
    source: mount.at('source').text(),
    type: mount.at('type').text(),
    options: mount.at('options').texts(),
  };
}

function readHooks(hooks: JsonReader): Hooks {
  return {
    Prestart: hooks.at('prestart').list(readHook),
    Poststart: hooks.at('poststart').list(readHook),
    Poststop: hooks.at('poststop').list(readHook),
    CreateRuntime: hooks.at('createRuntime').list(readHook),
    CreateContainer: hooks.at('createContainer').list(readHook),
    StartContainer: hooks.at('startContainer').list(readHook),
  };
}

function readHook(hook: JsonReader): Hook {
  return { Path: hook.at('path').text(), Args: hook.at('args').texts(), Env: hook.at('env').texts(), Timeout: hook.at('timeout').i64() };
}
