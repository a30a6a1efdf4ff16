//! The guest's own mounts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::mount::{mount, MsFlags};

type Step = (&'static str, &'static str, &'static str, MsFlags, &'static str);

/// Moves to a real root. pivot_root(2) refuses the initramfs itself (EINVAL), and containers need it; so the same files are bound
/// once more, over `/`, which makes them a mount like any other. Nothing is copied.
pub fn leave_initramfs() -> nix::Result<()> {
    const SELF: Option<&str> = None;
    fs::create_dir_all("/.root").map_err(errno)?;
    mount(Some("/"), "/.root", SELF, MsFlags::MS_BIND, SELF)?;
    nix::unistd::chdir("/.root")?;
    mount(Some("."), "/", SELF, MsFlags::MS_MOVE, SELF)?;
    nix::unistd::chroot(".")?;
    nix::unistd::chdir("/")
}

fn errno(error: std::io::Error) -> nix::Error {
    nix::Error::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// What has to be there before the channel can be found.
pub fn mount_first() -> Result<(), String> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_all(&[
        ("proc", "/proc", "proc", plain, ""),
        ("sysfs", "/sys", "sysfs", plain, ""),
        ("devtmpfs", "/dev", "devtmpfs", MsFlags::MS_NOSUID, "mode=0755"),
    ])
}

/// What containers need and the first answer does not.
pub fn mount_rest() -> Result<(), String> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let shared = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_all(&[
        ("devpts", "/dev/pts", "devpts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666"),
        ("shm", "/dev/shm", "tmpfs", plain, "mode=1777"),
        ("mqueue", "/dev/mqueue", "mqueue", plain, ""),
        ("run", "/run", "tmpfs", shared, "mode=0755"),
        ("tmp", "/tmp", "tmpfs", shared, "mode=1777"),
    ])?;
    mount_cgroups()?;
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        if !Path::new(link).exists() {
            std::os::unix::fs::symlink(target, link).map_err(|e| format!("{link}: {e}"))?;
        }
    }
    fs::set_permissions("/", fs::Permissions::from_mode(0o755)).map_err(|e| format!("/: {e}"))
}

/// `favordynmods` (Linux 6.0) takes a wait for all cpus, several milliseconds, off every move of a process into a cgroup, and thus
/// off every create and exec.
fn mount_cgroups() -> Result<(), String> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let with = |options| mount_all(&[("cgroup2", "/sys/fs/cgroup", "cgroup2", plain, options)]);
    with("nsdelegate,favordynmods").or_else(|_older_kernel| with("nsdelegate"))
}

/// Every mount is tried; the answer names those that failed.
fn mount_all(steps: &[Step]) -> Result<(), String> {
    let mut failed = Vec::new();
    for (source, target, kind, flags, options) in steps {
        let mounted = fs::create_dir_all(target)
            .map_err(|e| e.to_string())
            .and_then(|()| mount(Some(*source), *target, Some(*kind), *flags, Some(*options)).map_err(|e| e.to_string()));
        if let Err(error) = mounted {
            failed.push(format!("{target}: {error}"));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(failed.join(", "))
}
