import { DomainError } from '../../core/model/errors.ts';
import type { BundleFields } from './bundle-fields.ts';
import { RESOLV_CONF } from './guest-paths.ts';
import { guestFileMounts, shmMount } from './mounts.ts';
import type { MountFacts } from './mounts.ts';
import type { OciDevice, OciMount } from './runtime-spec.ts';

/** File systems that need nothing of the host. */
const OWN_TYPES = new Set(['proc', 'sysfs', 'tmpfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2']);

/** Nodes that every container has anyway, and those that mean the same thing in a guest's kernel as in the host's. */
const STANDARD_NODES = new Set(['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty', '/dev/console', '/dev/ptmx']);
const SAME_EVERYWHERE = new Map([['/dev/fuse', [10, 229]], ['/dev/net/tun', [10, 200]]]);

function mountOf(fields: BundleFields): OciMount {
  const destination = fields.string('destination');
  const options = fields.strings('options');
  const type = options.includes('bind') || options.includes('rbind') ? 'bind' : fields.string('type');
  if (OWN_TYPES.has(type)) return { destination, type: type === 'cgroup2' ? 'cgroup' : type, source: fields.string('source', type), options };
  const what = type === 'bind' ? `of the host's ${fields.string('source')}` : `of type "${type}"`;
  throw new DomainError('UNSUPPORTED', `the bundle asks for a mount ${what} on ${destination}; this version passes none from the host`, { remedy: 'remove that mount from config.json', facts: { mount: destination, type, source: fields.string('source') } });
}

/**
 * A bundle's mounts as they are made in the guest. A /dev/shm is added when the bundle has none, and is the caller's when the caller sizes it.
 * Of the guest's files only resolv.conf is added: a bundle's root file system has the names that its maker gave it, but servers are the sandbox's to know.
 */
export function bundleMounts(mounts: readonly BundleFields[], facts: MountFacts): readonly OciMount[] {
  const own = mounts.map(mountOf);
  const wanted = facts.shmSizeBytes > 0 ? own.filter((mount) => mount.destination !== '/dev/shm') : own;
  const added = wanted.some((mount) => mount.destination === '/dev/shm') ? [] : [shmMount(facts.shmSizeBytes)];
  const files = facts.guestFiles.filter((path) => path === RESOLV_CONF && !own.some((mount) => mount.destination === path));
  return [...wanted, ...added, ...guestFileMounts(files, facts.readOnlyRootfs)];
}

function deviceOf(fields: BundleFields): OciDevice | undefined {
  const path = fields.string('path');
  if (STANDARD_NODES.has(path)) return undefined;
  const [major, minor] = [fields.integer('major') ?? 0, fields.integer('minor') ?? 0];
  const same = SAME_EVERYWHERE.get(path);
  if (same?.[0] === major && same[1] === minor) {
    return { path, type: 'c', major, minor, fileMode: fields.integer('fileMode') ?? 0o666, uid: fields.integer('uid') ?? 0, gid: fields.integer('gid') ?? 0 };
  }
  throw new DomainError('UNSUPPORTED', `the bundle asks for the host's device ${path} (${major}:${minor}); numbers of the host mean other devices in the guest`, { remedy: 'remove that device from linux.devices in config.json', facts: { device: path } });
}

/** Device nodes beyond the standard ones. */
export function bundleDevices(devices: readonly BundleFields[]): readonly OciDevice[] {
  return devices.flatMap((fields) => deviceOf(fields) ?? []);
}
