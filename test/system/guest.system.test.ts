import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const GUESTS = process.env['VIVARIUM_GUEST_DIR'] ?? join(ROOT, 'build/guest');
/** Tells the console when it runs, and refuses a container whose environment asks for it. */
const HOOK = `#!/bin/busybox sh
state=$(/bin/busybox cat)
bundle=$(echo "$state" | /bin/busybox sed 's/.*"bundle":"\\([^"]*\\)".*/\\1/')
echo "hook $1 $(echo "$state" | /bin/busybox sed 's/.*"status":"\\([^"]*\\)".*/\\1/')" > /dev/console
if /bin/busybox grep -q REFUSE_ME "$bundle/config.json"; then echo 'not this one' >&2; exit 3; fi
`;
/** As Docker's default: CHOWN, DAC_OVERRIDE, FSETID, FOWNER, MKNOD, NET_RAW, SETGID, SETUID, SETFCAP, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, KILL, AUDIT_WRITE. */
const DEFAULT_CAPABILITIES = '00000000a80425fb';

/** Hooks by moment, below `directory`. */
function writeHooks(directory: string): void {
  for (const moment of ['prestart', 'poststart', 'poststop']) {
    mkdirSync(join(directory, moment), { recursive: true });
    writeFileSync(join(directory, moment, '10-tell'), HOOK);
    chmodSync(join(directory, moment, '10-tell'), 0o755);
  }
}

/** What a container finds in a guest of our own making, in one VM of a custom guest. */
describe('a container in a custom guest', () => {
  let files: string;
  let daemon: TestDaemon;

  beforeAll(async () => {
    files = mkdtempSync(join(tmpdir(), 'vv-'));
    // The guest is built anew, from packages that are there already.
    symlinkSync(join(GUESTS, '.cache'), join(files, '.cache'));
    writeHooks(join(files, 'hooks'));
    daemon = await TestDaemon.start({ flags: ['--guest-dir', files], profiles: { hooked: 'guest = "hooked"\nguest_hook_path = "/usr/share/hooks"\n' } });
    await daemon.must('guest', 'build', 'hooked', '--file', `${join(files, 'hooks')}:/usr/share/hooks`, '--file', '/bin/busybox:/bin/busybox:755');
    await daemon.must('sandbox', 'create', '--profile', 'hooked', '--name', 'box', '--hostname', 'box.example', '--dns', '192.0.2.53', '--dns-search', 'example');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(files, { recursive: true, force: true });
  });

  async function sh(script: string, ...options: readonly string[]): Promise<string> {
    return await daemon.must('run', '--rm', '--sandbox', 'box', ...options, 'busybox', '--', 'sh', '-c', script);
  }

  function console(): string {
    const [sandbox] = readdirSync(join(daemon.run, 's'));
    return readFileSync(join(daemon.run, 's', sandbox ?? '', 'vmm/console.log'), 'utf8').replaceAll('\r', '');
  }

  it('has what Docker gives by default: capabilities, devices, file systems, limits', async () => {
    const status = await sh('grep -E "^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):" /proc/self/status; cat /proc/self/oom_score_adj');
    const [none, all] = ['0000000000000000', DEFAULT_CAPABILITIES];
    expect(status.split(/\s+/)).toEqual(['CapInh:', none, 'CapPrm:', all, 'CapEff:', all, 'CapBnd:', all, 'CapAmb:', none, 'NoNewPrivs:', '0', 'Seccomp:', '0', '0']);
    const system = await sh('ls /dev; df -k /dev/shm | tail -1; cat /proc/kcore | wc -c; ls /sys/firmware | wc -l; echo $$; (echo x > /proc/sys/kernel/domainname; mkdir /sys/fs/cgroup/x) 2>&1; grep -c "cgroup2 ro" /proc/mounts');
    expect(system.split(/\n/)).toEqual([
      ...['fd', 'full', 'kcore', 'mqueue', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero'],
      expect.stringMatching(/^shm +65536 /), '0', '0', '1',
      expect.stringContaining('Read-only file system'), expect.stringContaining('Read-only file system'), '1',
    ]);
  });

  it('gets what it asks for: limits, sysctls, capabilities, /dev/shm, a user, cpus', async () => {
    const asked = ['--ulimit', 'nofile=100:200', '--sysctl', 'kernel.shmmax=4096', '--cap-drop', 'ALL', '--cap-add', 'NET_RAW', '--security-opt', 'no-new-privileges', '--shm-size', '1m', '--user', '7:8', '--memory', '16M', '--pids-limit', '50', '--cpuset-cpus', '0', '--cpus', '0.5'];
    const found = await sh('ulimit -n; ulimit -Hn; cat /proc/sys/kernel/shmmax; grep -E "^(CapBnd|NoNewPrivs):" /proc/self/status; df -k /dev/shm | tail -1; id -u; id -g; cd /sys/fs/cgroup; cat memory.max pids.max cpuset.cpus cpu.max', ...asked);
    expect(found.split(/\n/)).toEqual([
      '100', '200', '4096', 'CapBnd:\t0000000000002000', 'NoNewPrivs:\t1', expect.stringMatching(/^shm +1024 /), '7', '8', String(16 << 20), '50', '0', '50000 100000',
    ]);
  });

  it('has every capability and no device of the host when it is privileged', async () => {
    const found = await sh('grep CapEff /proc/self/status; ls /dev | grep -cE "^(vda|vport|kvm|mem|ttyS0)"; echo 5 > /proc/sys/kernel/panic_on_oops; echo $?', '--privileged');
    expect(found.split(/\n/)).toEqual(['CapEff:\t000001ffffffffff', '0', '0']);
  });

  it.each([[[]], [['--read-only']]])('knows the sandbox by name, and its name servers (%j)', async (options: readonly string[]) => {
    const found = await sh('cat /etc/hostname; hostname; ping -c 1 -w 5 box.example | head -1; ping -c 1 -w 5 box | head -1; ping -6 -c 1 -w 5 localhost | head -1; cat /etc/resolv.conf', ...options);
    expect(found.split(/\n/)).toEqual([
      'box.example', 'box.example', expect.stringContaining('box.example (127.0.0.1)'), expect.stringContaining('box (127.0.0.1)'), expect.stringContaining('localhost (::1)'),
      'nameserver 192.0.2.53', 'search example',
    ]);
    const write = await daemon.viv(['run', '--rm', '--sandbox', 'box', ...options, 'busybox', '--', 'sh', '-c', 'echo 192.0.2.1 other >> /etc/hosts']);
    expect(write.code).toBe(options.length);
  });

  it('runs between the hooks of its guest, and not at all when one of them refuses it', async () => {
    const before = console().length;
    await sh('true');
    expect(console().slice(before).split('\n').filter((line) => line.startsWith('hook'))).toEqual(['hook prestart creating', 'hook poststart running', 'hook poststop stopped']);
    const refused = await daemon.viv(['run', '--rm', '--sandbox', 'box', '-e', 'REFUSE_ME=1', 'busybox', '--', 'true']);
    expect(refused).toMatchObject({ code: 125, stderr: expect.stringContaining('prestart') as string });
  });

  it('tells its pid in the guest', async () => {
    await daemon.must('run', '-d', '--name', 'init', '--sandbox', 'box', 'busybox', '--', 'sleep', '1000');
    const { containers } = await daemon.json<{ containers: { guestPid: number }[] }>('ps');
    expect(containers[0]?.guestPid).toBeGreaterThan(1);
    await daemon.must('rm', '-f', 'init');
  });

  it('is told as killed for want of memory, and its sandbox lives on', async () => {
    const result = await daemon.viv(['run', '--name', 'hungry', '--memory', '8M', '--sandbox', 'box', 'busybox', '--', 'sh', '-c', 'dd if=/dev/zero of=/dev/shm/x bs=1M count=32 2> /dev/null; exec tail /dev/zero']);
    expect(result.code).toBe(137);
    const told = await daemon.must('events', '--no-follow', '--since', '0', '-f', 'container=hungry', '-o', 'json');
    expect(told).toContain('EVENT_TYPE_CONTAINER_OOM');
    await expect(daemon.must('inspect', 'hungry')).resolves.toContain('"cause": "CAUSE_GUEST_OOM"');
    await expect(sh('echo alive')).resolves.toBe('alive');
  });

  it('has the right time', async () => {
    const skewMs = Math.abs(Number(await sh('date +%s')) * 1000 - Date.now());
    expect(skewMs).toBeLessThan(5_000);
  });
});
