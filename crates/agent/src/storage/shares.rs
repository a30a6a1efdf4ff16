//! The host's shared directory, as it looks from here.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sys::statvfs::{statvfs, FsFlags};

use crate::ttrpc::status::{Result, Status};

/// Where the host's shared directory is mounted.
pub const SHARED: &str = "/run/kata-containers/shared/containers";

/// Unmounts what lies below the shared directory and is no longer there on the host.
pub fn remove_stale_mounts() -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|e| Status::os("mountinfo", e))?;
    for point in mounts_below(SHARED, &table) {
        // A mount whose other side is gone answers ESTALE, ENOENT or EIO to everything.
        if fs::symlink_metadata(&point).is_err() {
            umount2(Path::new(&point), MntFlags::MNT_DETACH).map_err(|e| Status::os(format!("unmount {point}"), e))?;
        }
    }
    Ok(())
}

/// Lets the host unmount what it showed a container: each file that the guest has looked up there is a file that virtiofsd holds open.
///
/// The share tells of mounts below it, and the kernel mounts each here as it is entered: those go, with all that was looked up in them. What
/// the share itself remembers of the mount points goes when it is remounted as it is, which drops its unused entries and no others' (the kernel's
/// reconfigure_super).
pub fn let_go(container: &str) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|e| Status::os("mountinfo", e))?;
    for point in mounts_below(&format!("{SHARED}/{container}"), &table) {
        // EINVAL, ENOENT: it has gone meanwhile.
        match umount2(Path::new(&point), MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(error) => return Err(Status::os(format!("unmount {point}"), error)),
        }
    }
    let Ok(share) = statvfs(SHARED) else {
        return Ok(());
    };
    let flags = if share.flags().contains(FsFlags::ST_RDONLY) { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    match mount(None::<&str>, SHARED, None::<&str>, MsFlags::MS_REMOUNT | flags, None::<&str>) {
        // No share is mounted there.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(error) => Err(Status::os(format!("remount {SHARED}"), error)),
    }
}

/// Mount points below a directory, deepest last in the table and first here.
fn mounts_below(directory: &str, table: &str) -> Vec<String> {
    let below = format!("{directory}/");
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    let mut points: Vec<_> = points.filter(|point| point.starts_with(&below)).collect();
    points.reverse();
    points
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_share_are_candidates() {
        let table = "1 0 0:1 / / rw - rootfs x rw\n\
                     2 1 0:2 / /run/kata-containers/shared/containers rw - virtiofs kataShared rw\n\
                     3 2 0:2 /a /run/kata-containers/shared/containers/a\\040b rw - virtiofs kataShared rw\n";
        assert_eq!(mounts_below(SHARED, table), ["/run/kata-containers/shared/containers/a b"]);
        assert!(mounts_below(&format!("{SHARED}/a"), table).is_empty());
    }
}
