import type { LaunchSpec } from '../core/ports/host.ts';

/** The protocol version that this daemon speaks; launchers of the version before it understand it too. */
export const LAUNCHER_PROTOCOL = 1;

/** A spec as the launcher reads it (docs/protocols/launcher.md, "spec.json"). Absent keys keep the launcher's defaults. */
export function launchSpecDocument(spec: LaunchSpec): Readonly<Record<string, unknown>> {
  return {
    version: LAUNCHER_PROTOCOL,
    name: spec.name,
    argv: spec.argv,
    env: spec.env,
    cwd: '/',
    uid: spec.uid,
    gid: spec.gid,
    groups: spec.groups,
    keep_capabilities: spec.keepCapabilities,
    no_new_privs: spec.noNewPrivs,
    namespaces: spec.namespaces,
    cgroups: spec.cgroups,
    fds: spec.fds,
    console: spec.console,
    // A core file of a VMM holds the guest's memory.
    rlimits: { core: 0, ...spec.rlimits },
    oom_score_adj: spec.oomScoreAdj,
    umask: 0o077,
    ring_bytes: spec.ringBytes,
  };
}
