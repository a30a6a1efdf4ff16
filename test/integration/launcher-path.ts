import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** The launcher that cargo built; a missing one is a failure and no skip. */
export function launcherPath(): string {
  const candidates = [process.env['VIVARIUM_LAUNCHER'], 'target/x86_64-unknown-linux-gnu/release/viv-launcher', 'target/release/viv-launcher'];
  const found = candidates.find((path) => path !== undefined && existsSync(path));
  if (found === undefined) throw new Error('no viv-launcher: build it with "cargo build --release -p viv-launcher"');
  return resolve(found);
}
