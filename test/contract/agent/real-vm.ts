import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import type { AgentTarget } from '../../../src/core/ports/agent.ts';
import { containerSpec } from '../../fakes/agent/specs.ts';
import { missing } from '../../skip.ts';
import type { AgentKind, AgentUnderTest } from './agent-under-test.ts';
import { CuttingDialer, realConnector, realTokens } from './connector-under-test.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';
const VIRTIOFSD = '/usr/lib/qemu/virtiofsd';
const SHARE = '/run/kata-containers/shared/containers/';
const APPLETS = ['sh', 'echo', 'cat', 'true', 'false', 'sleep', 'head', 'yes', 'wc', 'kill'];
const BOOT_MS = 60_000;

interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
}

/** Kernel and initramfs of a guest directory; a missing guest is a failure and no skip. */
function guestFiles(directory: string): GuestFiles {
  const kernel = ['vmlinux', 'vmlinuz'].map((name) => join(directory, name)).find((path) => existsSync(path));
  const initrd = ['initramfs.cpio', 'initrd'].map((name) => join(directory, name)).find((path) => existsSync(path));
  if (kernel === undefined || initrd === undefined) throw new Error(`no guest in ${directory}: build it with "scripts/setup.sh"`);
  return { kernel: resolve(kernel), initrd: resolve(initrd) };
}

async function busyboxRoot(root: string): Promise<void> {
  for (const name of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc']) await mkdir(join(root, name), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of APPLETS) await symlink('busybox', join(root, 'bin', applet));
}

/** A real virtual machine, its share served by virtiofsd, with one busybox root file system for all containers. */
async function startVm(files: GuestFiles, kind: AgentTarget['kind'] & ('viv-agent' | 'kata'), append: string): Promise<AgentUnderTest> {
  const directory = await mkdtemp('/tmp/vv-vm-');
  const [socketPath, fsSocket, share] = [join(directory, 'agent.sock'), join(directory, 'fs.sock'), join(directory, 'share')];
  await mkdir(share);
  await busyboxRoot(join(share, 'rootfs'));
  const fs = spawn(VIRTIOFSD, [`--socket-path=${fsSocket}`, '-o', `source=${share},cache=auto,sandbox=namespace,xattr`], { stdio: 'ignore' });
  const vm = spawn(QEMU, [
    '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
    '-machine', 'q35,accel=tcg,usb=off,vmport=off,smbus=off,sata=off,hpet=off,i8042=off,memory-backend=ram0', '-cpu', 'max', '-smp', '1',
    '-m', '256M', '-object', 'memory-backend-memfd,id=ram0,size=256M,share=on',
    '-kernel', files.kernel, '-initrd', files.initrd, '-append', append,
    '-serial', `file:${join(directory, 'console')}`,
    '-device', 'virtio-serial-pci,id=serial0,max_ports=2', '-chardev', `socket,id=agent0,path=${socketPath},server=on,wait=off`,
    '-device', 'virtserialport,bus=serial0.0,nr=1,chardev=agent0,name=org.vivarium.agent.0',
    '-chardev', `socket,id=fs0,path=${fsSocket},reconnect=0`, '-device', 'vhost-user-fs-pci,chardev=fs0,tag=kataShared',
  ], { stdio: ['ignore', 'inherit', 'inherit'] });
  const dialer = new CuttingDialer();
  const connector = realConnector(dialer);
  return {
    connect: () => connector.connect({ kind, transport: 'virtio-serial', socketPath, tokenFile: join(directory, 'tokens') }, { deadlineMs: BOOT_MS }),
    cut: () => { dialer.cut(); },
    write: (bytes) => { dialer.write(bytes); },
    link: { tokens: realTokens(), tokenFile: join(directory, 'tokens'), dial: () => dialer.dial(socketPath, { deadlineMs: 1000 }) },
    sandbox: {
      sandboxId: 'sandbox', hostname: 'sandbox', dns: [], sharedPidNamespace: false,
      storages: [{ driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', options: [], mountPoint: SHARE }],
    },
    spec: (args) => containerSpec(args, { root: `${SHARE}rootfs` }),
    spew: (bytes) => ['head', '-c', String(bytes), '/dev/zero'],
    [Symbol.asyncDispose]: async () => {
      dialer.cut();
      await Promise.all([ended(vm), ended(fs)]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const LEAN = 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check';

/** viv-agent in a VM; and an official agent, where a guest with one (and a bridge from the port to it) is named. */
export function realVms(): readonly AgentKind[] {
  const guests = process.env['VIVARIUM_GUEST_DIR'] ?? 'build/guest';
  const viv: AgentKind = { name: 'viv-agent in a VM', kind: 'viv-agent', start: async () => await startVm(guestFiles(join(guests, 'default')), 'viv-agent', LEAN) };
  const official = process.env['VIVARIUM_KATA_AGENT_GUEST'];
  missing('official', official === undefined);
  if (official === undefined) return [viv];
  const append = `${LEAN} systemd.unified_cgroup_hierarchy=1`;
  return [viv, { name: `official in a VM (${dirname(official)})`, kind: 'kata', start: async () => await startVm(guestFiles(official), 'kata', append) }];
}
