import type { SharePlace } from '../../core/ports/storage.ts';
import { cgroupFiles } from './sandbox-cgroups.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** Where a sandbox's share is, and which virtiofsd serves it. */
export function sharePlace(unit: SandboxUnit): SharePlace {
  const { profile } = unit.record;
  return { runDir: unit.deps.places.runDir(unit.id), virtiofsdPath: profile.virtiofsdPath, cache: profile.virtiofsCache, cgroups: cgroupFiles(unit) };
}
