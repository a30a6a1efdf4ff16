//! Disks that were plugged in, as file systems.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::handlers::{mount_at, owned_by_group};
use crate::boot::modules;
use crate::devices::place::Place;
use crate::devices::scsi::{self, Unit};
use crate::devices::wait;
use crate::proto::grpc::Storage;
use crate::ttrpc::status::{Result, Status};

/// Three seconds, as others have it, are too short on a loaded host.
const PATIENCE: Duration = Duration::from_secs(20);
/// The file system of images, whose driver is loaded with those of their disks.
const IMAGES: &str = "erofs";
const FILESYSTEMS: &str = "/proc/filesystems";

/// Where a storage's disk is to be found.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// It was there at boot, and the host knows its name.
    Node(PathBuf),
    Pci(Place),
    Scsi(Unit),
}

impl Source {
    fn of(storage: &Storage) -> Result<Source> {
        let text = storage.source.as_str();
        match (storage.driver.as_str(), text.strip_prefix("/dev/")) {
            ("scsi", _) => Unit::parse(text).map(Source::Scsi),
            (_, None) => Place::parse_path(text).map(Source::Pci),
            (_, Some(name)) if is_plain(name) => Ok(Source::Node(text.into())),
            (_, Some(_)) => Err(Status::invalid(format!("storage source {text:?} is no node right below /dev"))),
        }
    }

    fn wait(&self) -> Result<PathBuf> {
        match self {
            Source::Node(node) => wait::until(PATIENCE, || wait::can_be_opened(node).then(|| node.clone()), || Ok(()))?
                .ok_or_else(|| Status::deadline(format!("the guest saw no {} within {PATIENCE:?}", node.display()))),
            Source::Pci(place) => wait::for_disk(place, PATIENCE).map(|found| found.node),
            Source::Scsi(unit) => scsi::for_disk(unit, PATIENCE),
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Refuses a source or a file system that makes no sense, before anything is touched.
pub fn check(storage: &Storage) -> Result<()> {
    Source::of(storage)?;
    if is_plain(&storage.fstype) {
        return Ok(());
    }
    Err(Status::invalid(format!("storage fstype {:?} is not the name of a file system", storage.fstype)))
}

/// Waits for the disk and mounts it.
pub fn attach(storage: &Storage) -> Result<()> {
    if storage.fstype == IMAGES {
        modules::load_for_disks();
    }
    let node = Source::of(storage)?.wait()?;
    let fail = |error: std::io::Error| Status::os(format!("storage {} at {}", node.display(), storage.mount_point), error);
    if !knows(&fs::read_to_string(FILESYSTEMS).map_err(|e| Status::os(FILESYSTEMS, e))?, &storage.fstype) {
        return Err(Status::precondition(format!("the guest's kernel has no file system {:?}", storage.fstype)));
    }
    fs::create_dir_all(&storage.mount_point).map_err(fail)?;
    let source = node.to_string_lossy();
    mount_at(&source, storage, &storage.fstype, nix::mount::MsFlags::empty()).map_err(fail)?;
    owned_by_group(storage).map_err(fail)
}

/// Its file system is unmounted: the host may take it away.
pub fn let_go(storage: &Storage) -> Result<()> {
    match Source::of(storage)? {
        Source::Scsi(unit) => scsi::forget(&unit),
        Source::Node(_) | Source::Pci(_) => Ok(()),
    }
}

fn knows(table: &str, fstype: &str) -> bool {
    table.lines().any(|line| line.rsplit('\t').next() == Some(fstype))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(driver: &str, source: &str, fstype: &str) -> Storage {
        Storage { driver: driver.into(), source: source.into(), fstype: fstype.into(), ..Default::default() }
    }

    #[test]
    fn a_source_is_a_path_of_the_bus_a_node_or_a_unit() {
        for (driver, source) in [("blk", "02/01"), ("blk", "10.3/00"), ("blk", "10.3/00.0"), ("blk", "/dev/vda"), ("scsi", "0:1")]
        {
            assert_eq!(check(&storage(driver, source, "ext4")), Ok(()), "{driver} {source}");
        }
        for (driver, source) in
            [("blk", ""), ("blk", "/dev/../etc"), ("blk", "/dev/"), ("blk", "0000:00:01.0"), ("blk", "0:1"), ("scsi", "02/01")]
        {
            assert!(check(&storage(driver, source, "ext4")).is_err(), "{driver} {source}");
        }
        for fstype in ["", "ext4,x", "../x"] {
            assert!(check(&storage("blk", "02", fstype)).is_err(), "{fstype}");
        }
    }

    #[test]
    fn the_kernel_tells_its_file_systems() {
        let table = "nodev\tsysfs\n\text4\n\terofs\n";
        assert!(knows(table, "ext4") && knows(table, "sysfs"));
        assert!(!knows(table, "xfs") && !knows(table, "ext"));
    }
}
