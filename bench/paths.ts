import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
export const QEMU = '/usr/bin/qemu-system-x86_64';
export const FAKE_VMM = join(REPOSITORY, 'target/x86_64-unknown-linux-gnu/release/fake-vmm');
export const GUEST = join(process.env['VIVARIUM_GUEST_DIR'] ?? join(REPOSITORY, 'build/guest'), 'default');
export const IMAGES = join(REPOSITORY, 'build/images');
export const RESULTS = join(REPOSITORY, 'bench/results');
