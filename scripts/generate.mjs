// Generates src/gen from proto/ and the descriptor set that reflection serves.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const buf = (...args) => execFileSync(join(root, 'node_modules/@bufbuild/buf-linux-x64/bin/buf'), args, { cwd: root, stdio: 'inherit' });

rmSync(join(root, 'src/gen'), { recursive: true, force: true });
buf('generate');
mkdirSync(join(root, 'dist'), { recursive: true });
buf('build', '-o', 'dist/vivarium.binpb', '--path', 'proto/vivarium/v1', '--path', 'proto/grpc', '--path', 'proto/google');
