import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the parts of this installation lie: in a checkout, or spread over the system. */
export interface InstallPaths {
  /** Directory of package.json. */
  readonly root: string;
  readonly guestDir: string;
  readonly imageDirs: readonly string[];
  readonly launcher: string;
  readonly imageTool: string;
  readonly guestBuilder: string;
  readonly descriptorSet: string;
}

const SYSTEM = { guestDir: '/usr/share/vivarium/guest', imageDir: '/usr/share/vivarium/images', libexec: '/usr/libexec/vivarium' };
/** Cargo's output directories, as .cargo/config.toml and `cargo build --release` leave them. */
const CARGO_OUTPUTS = ['target/x86_64-unknown-linux-gnu/release', 'target/release'];

/** Walks up from a module of ours to its package; what the checkout lacks is looked for in the system's places. */
export function installPaths(moduleUrl: string, exists: (path: string) => boolean): InstallPaths {
  const root = packageRoot(dirname(fileURLToPath(moduleUrl)), exists);
  const checkout = exists(join(root, 'Cargo.toml'));
  return {
    root,
    guestDir: checkout ? join(root, 'build/guest') : SYSTEM.guestDir,
    imageDirs: [checkout ? join(root, 'build/images') : SYSTEM.imageDir],
    launcher: program(root, 'viv-launcher', checkout, exists),
    imageTool: program(root, 'viv-image', checkout, exists),
    guestBuilder: join(root, 'dist/guest-build.js'),
    descriptorSet: join(root, 'dist/vivarium.binpb'),
  };
}

function program(root: string, name: string, checkout: boolean, exists: (path: string) => boolean): string {
  const built = CARGO_OUTPUTS.map((output) => join(root, output, name));
  return built.find(exists) ?? (checkout ? (built[0] ?? '') : join(SYSTEM.libexec, name));
}

function packageRoot(directory: string, exists: (path: string) => boolean): string {
  for (let at = directory; at !== dirname(at); at = dirname(at)) {
    if (exists(join(at, 'package.json'))) return at;
  }
  return directory;
}
