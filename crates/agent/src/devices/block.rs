//! The disk behind a PCI device, as sysfs shows it.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::sys::stat::Mode;
use std::os::fd::FromRawFd;

use crate::ttrpc::status::{Result, Status};

/// Of the kernel's counts of sectors, whatever the disk's own are.
const SECTOR: u64 = 512;

#[derive(Debug, PartialEq, Eq)]
pub struct Disk {
    /// `vda`
    pub name: String,
    pub size_bytes: u64,
    pub serial: String,
    pub read_only: bool,
}

/// Of a virtio-blk device; nothing before its driver has taken it and the kernel knows its size.
pub fn of_device(device: &Path) -> Option<Disk> {
    let virtio = directory_in(device, "virtio")?;
    let block = directory_in(&virtio.join("block"), "")?;
    let name = block.file_name()?.to_str()?.to_owned();
    let read = |file: &str| fs::read_to_string(block.join(file)).unwrap_or_default().trim().to_owned();
    let sectors: u64 = read("size").parse().ok()?;
    Some(Disk { name, size_bytes: sectors * SECTOR, serial: read("serial"), read_only: read("ro") == "1" })
}

/// The first directory whose name is `prefix` and a number, or any for an empty prefix.
pub fn directory_in(parent: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(parent).ok()?;
    entries.filter_map(|entry| entry.ok()).find_map(|entry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix(prefix)?;
        let fits = prefix.is_empty() || (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        (fits && entry.path().is_dir()).then(|| entry.path())
    })
}

/// Refused while a mount, swap or another device holds it, by the kernel's own word; else everything that was written to it is on it.
pub fn let_go(node: &Path) -> Result<()> {
    match open_alone(node) {
        Ok(disk) => nix::unistd::fsync(std::os::fd::AsRawFd::as_raw_fd(&disk)).map_err(|e| Status::os(node.display(), e)),
        Err(Errno::EBUSY) => Err(Status::precondition(format!(
            "{} is in use in the guest: it is mounted, swapped to, or held by another device",
            node.display()
        ))),
        // It went by itself meanwhile.
        Err(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) => Ok(()),
        Err(error) => Err(Status::os(node.display(), error)),
    }
}

/// O_EXCL without O_CREAT on a block device: EBUSY when the kernel has given it, or a part of it, to somebody (open(2)).
fn open_alone(node: &Path) -> nix::Result<OwnedFd> {
    let fd = open(node, OFlag::O_RDONLY | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty())?;
    // SAFETY: it was opened right here and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("vv-disk-{name}-{}", std::process::id()));
        for (path, text) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn a_disk_is_told_once_its_driver_has_it() {
        let disk = made(
            "ready",
            &[
                ("virtio3/block/vdb/size", "2048\n"),
                ("virtio3/block/vdb/serial", "abc\n"),
                ("virtio3/block/vdb/ro", "1\n"),
                ("vendor", "0x1af4\n"),
            ],
        );
        assert_eq!(
            of_device(&disk),
            Some(Disk { name: "vdb".into(), size_bytes: 1 << 20, serial: "abc".into(), read_only: true })
        );
        let bare = made("bare", &[("vendor", "0x1af4\n"), ("virtio3/device", "0x0002\n")]);
        assert_eq!(of_device(&bare), None);
        assert_eq!(of_device(&bare.join("nothing")), None);
        for directory in [disk, bare] {
            fs::remove_dir_all(directory).unwrap();
        }
    }

    #[test]
    fn what_is_not_there_is_let_go_of() {
        assert_eq!(let_go(Path::new("/nowhere/vda")), Ok(()));
    }
}
