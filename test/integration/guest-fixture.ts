import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const exec = promisify(execFile);
const MAIN = new URL('../../guest/builder/main.ts', import.meta.url).pathname;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * An archive of two tiny packages, and apt-cache and apt-get that serve it: the builder runs for real, in a process of its own,
 * without a network. `calls` holds one line per call of apt.
 */
export class GuestFixture {
  readonly root: string;
  readonly calls: string;

  private constructor(root: string) {
    this.root = root;
    this.calls = join(root, 'calls');
  }

  static async create(): Promise<GuestFixture> {
    const fixture = new GuestFixture(await mkdtemp(join(tmpdir(), 'vv-guest-')));
    await mkdir(join(fixture.root, 'debs'));
    await mkdir(join(fixture.root, 'bin'));
    await fixture.#kernelPackage();
    await fixture.#busyboxPackage();
    await fixture.#aptTools();
    await writeFile(join(fixture.root, 'agent'), '#!/bin/sh\necho viv-agent 1.2.3 # usage: viv-agent --version\n', { mode: 0o755 });
    return fixture;
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** Runs the builder under a umask and a time zone. */
  async run(args: readonly string[], how: { umask?: string; timezone?: string } = {}): Promise<Outcome> {
    const command = `umask ${how.umask ?? '022'}; exec node --import tsx "$@"`;
    const env = { ...process.env, PATH: `${this.path('bin')}:${process.env['PATH'] ?? ''}`, TZ: how.timezone ?? 'UTC' };
    try {
      const { stdout, stderr } = await exec('sh', ['-c', command, 'sh', MAIN, ...args], { env });
      return { code: 0, stdout, stderr };
    } catch (error) {
      const failed = error as { code: number; stdout: string; stderr: string };
      return { code: failed.code, stdout: failed.stdout, stderr: failed.stderr };
    }
  }

  async build(out: string, ...args: string[]): Promise<Outcome> {
    return this.run(['build', '--out', out, '--agent', this.path('agent'), ...args]);
  }

  async aptCalls(): Promise<string[]> {
    return (await readFile(this.calls, 'utf8')).trim().split('\n');
  }

  async #kernelPackage(): Promise<void> {
    const release = '6.1.0-1-test';
    const root = this.path('kernel');
    const modules = join(root, 'lib/modules', release);
    await mkdir(join(root, 'boot'), { recursive: true });
    await mkdir(join(modules, 'kernel/deep'), { recursive: true });
    await writeFile(join(root, 'boot', `vmlinuz-${release}`), await this.#bzImage());
    await writeFile(join(modules, 'modules.builtin'), 'kernel/fs/ext4.ko\n');
    const needs: Record<string, string> = {
      virtio_ring: '', virtio: 'virtio_ring', virtio_pci: 'virtio_ring,virtio', virtio_console: 'virtio', 'pvpanic-pci': 'pvpanic', pvpanic: '',
      fuse: '', virtiofs: 'fuse', overlay: '', 'virtio-rng': '', virtio_net: '', virtio_blk: '', virtio_balloon: '', virtio_mem: '',
      scsi_common: '', scsi_mod: 'scsi_common', virtio_scsi: 'scsi_mod', sd_mod: 'scsi_mod',
      vmw_vsock_virtio_transport: '', erofs: '', igb: 'dca', dca: '',
    };
    for (const [name, depends] of Object.entries(needs)) {
      await this.#compile(`char info[] __attribute__((section(".modinfo"))) = "depends=${depends}";`, join(modules, 'kernel/deep', `${name}.ko`));
    }
    await this.#deb(root, 'linux-image-test', 'linux-image-6.1.0-1-test', '1');
    await this.#deb(root, 'linux-image-6.1.0-1-test', '', '1');
  }

  async #busyboxPackage(): Promise<void> {
    const root = this.path('busybox');
    await mkdir(join(root, 'bin'), { recursive: true });
    await mkdir(join(root, 'usr/share/doc'), { recursive: true });
    await writeFile(join(root, 'usr/share/doc/readme'), 'unread');
    await writeFile(join(root, 'bin/busybox'), '#!/bin/sh\nprintf "bin/sh\\nusr/bin/env\\n"\n');
    await chmod(join(root, 'bin/busybox'), 0o755);
    await this.#deb(root, 'busybox-static', '', '1:2-3');
  }

  /** A setup header and a gzipped ELF file behind it. */
  async #bzImage(): Promise<Buffer> {
    const kernel = this.path('vmlinux.o');
    await this.#compile('int linux_is_here;', kernel);
    const payload = gzipSync(await readFile(kernel));
    const head = Buffer.alloc(2048);
    head[0x1f1] = 1;
    head.write('HdrS', 0x202, 'latin1');
    head.writeUInt16LE(0x20f, 0x206);
    head.writeUInt32LE(1024, 0x248);
    head.writeUInt32LE(payload.length, 0x24c);
    return Buffer.concat([head, payload]);
  }

  async #compile(source: string, object: string): Promise<void> {
    await writeFile(this.path('source.c'), source);
    await exec('gcc', ['-g', '-c', this.path('source.c'), '-o', object]);
  }

  async #deb(root: string, name: string, depends: string, version: string): Promise<void> {
    await mkdir(join(root, 'DEBIAN'), { recursive: true });
    const control = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: Test <test@example.org>\n${depends === '' ? '' : `Depends: ${depends}\n`}Description: test\n`;
    await writeFile(join(root, 'DEBIAN/control'), control);
    const file = this.path('debs', `${name}.deb`);
    await exec('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, file]);
    const bytes = await readFile(file);
    const digest = createHash('sha256').update(bytes).digest('hex');
    await writeFile(this.path('debs', `${name}.show`), `${control}Size: ${bytes.length}\nSHA256: ${digest}\n\n`);
  }

  async #aptTools(): Promise<void> {
    const debs = this.path('debs');
    const cache = `#!/bin/sh\necho "apt-cache $*" >> ${this.calls}\nshift 2\nfor name; do cat ${debs}/$name.show 2>/dev/null || missing=1; done\n[ -z "$missing" ] || exit 100\n`;
    const get = `#!/bin/sh\necho "apt-get $*" >> ${this.calls}\nfor last; do :; done\nname=\${last%%=*}\n[ ! -e ${debs}/broken ] || { echo "E: 404" >&2; exit 100; }\ncp ${debs}/$name.deb \${name}_served_amd64.deb\necho dlstatus:1:50.0:half >&3\n`;
    for (const [name, text] of [['apt-cache', cache], ['apt-get', get]] as const) {
      await writeFile(this.path('bin', name), text);
      await chmod(this.path('bin', name), 0o755);
    }
  }
}
