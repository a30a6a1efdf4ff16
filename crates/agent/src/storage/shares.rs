//! The host's shared directory, as it looks from here.

use std::fs;
use std::path::Path;

use nix::mount::{umount2, MntFlags};

use crate::ttrpc::status::{Result, Status};

/// Where the host's shared directory is mounted.
pub const SHARED: &str = "/run/kata-containers/shared/containers";

/// Unmounts what lies below the shared directory and is no longer there on the host.
pub fn remove_stale_mounts() -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|e| Status::os("mountinfo", e))?;
    for point in stale_candidates(&table) {
        // A mount whose other side is gone answers ESTALE, ENOENT or EIO to everything.
        if fs::symlink_metadata(&point).is_err() {
            umount2(Path::new(&point), MntFlags::MNT_DETACH).map_err(|e| Status::os(format!("unmount {point}"), e))?;
        }
    }
    Ok(())
}

/// Mount points below the shared directory, deepest last in the table and first here.
fn stale_candidates(table: &str) -> Vec<String> {
    let below = format!("{SHARED}/");
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
        assert_eq!(stale_candidates(table), ["/run/kata-containers/shared/containers/a b"]);
    }
}
