import type { ImageConfig } from '../../core/ports/storage.ts';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import { MASKED_PATHS, READONLY_PATHS } from './default-paths.ts';
import type { EnvironmentLayer } from './environment.ts';
import { defaultMounts } from './mounts.ts';
import type { MountFacts } from './mounts.ts';
import type { OciDevice, OciHook, OciMount, OciResources, OciRlimit, OciUser } from './runtime-spec.ts';

/** What a container is before its caller's wishes: from an image's configuration, or from a bundle's config.json. */
export interface SpecBase {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: EnvironmentLayer;
  readonly workingDir: string;
  /** As ContainerSpec.user; a bundle names numbers instead. */
  readonly user: string | OciUser;
  readonly terminal: boolean;
  readonly capabilities: readonly string[];
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  readonly readOnlyRootfs: boolean;
  readonly mounts: readonly OciMount[];
  readonly devices: readonly OciDevice[];
  readonly resources: OciResources;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp: Readonly<Record<string, unknown>> | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  /** Hooks that run in the guest, in the container's namespaces. */
  readonly startContainerHooks: readonly OciHook[];
}

/** The base of an image, or of a plain directory when there is no image. */
export function imageBase(image: ImageConfig | undefined, facts: MountFacts): SpecBase {
  return {
    entrypoint: image?.entrypoint ?? [],
    command: image?.command ?? [],
    environment: { field: 'spec.image: env', entries: image?.env ?? [] },
    workingDir: image?.workingDir ?? '/',
    user: image?.user ?? '',
    terminal: false,
    capabilities: DEFAULT_CAPABILITIES,
    rlimits: [],
    noNewPrivileges: false,
    oomScoreAdj: 0,
    readOnlyRootfs: false,
    mounts: defaultMounts(facts),
    // The runtime makes the standard nodes (config-linux.md, "Default Devices"); the host's are never passed, not to a privileged container either.
    devices: [],
    resources: {},
    sysctls: {},
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
    seccomp: undefined,
    annotations: {},
    startContainerHooks: [],
  };
}
