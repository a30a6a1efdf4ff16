//! One function a storage driver. All of them block and run on a thread of their own.

use std::fs;
use std::os::unix::fs::{chown, DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path};

use nix::mount::{mount, MsFlags};

use super::disks;
use super::options::split;
use crate::proto::grpc::Storage;
use crate::proto::types::FsGroupChangePolicy;
use crate::ttrpc::status::{Result, Status};

/// The drivers that `attach` knows.
pub const DRIVERS: [&str; 8] = ["bind", "blk", "ephemeral", "local", "overlayfs", "scsi", "tmpfs", "virtio-fs"];

/// The driver option that names a directory to make before an overlay is mounted.
const CREATE_DIRECTORY: &str = "io.katacontainers.volume.overlayfs.create_directory=";

/// Refuses a storage that cannot be attached, before anything is touched.
pub fn check(storage: &Storage) -> Result<()> {
    if !DRIVERS.contains(&storage.driver.as_str()) {
        return Err(Status::unimplemented(format!("storage driver {:?} is not supported", storage.driver)));
    }
    let path = Path::new(&storage.mount_point);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain || !path.starts_with("/run") || path == Path::new("/run") {
        let point = &storage.mount_point;
        return Err(Status::invalid(format!("storage mount point {point:?} is not an absolute path below /run")));
    }
    match storage.driver.as_str() {
        "blk" | "scsi" => disks::check(storage),
        _ => Ok(()),
    }
}

/// After its last user has gone and it is unmounted.
pub fn let_go(storage: &Storage) -> Result<()> {
    match storage.driver.as_str() {
        "blk" | "scsi" => disks::let_go(storage),
        _ => Ok(()),
    }
}

/// Mounts a storage that passed `check`. Answers whether there is a mount to undo.
pub fn attach(storage: &Storage) -> Result<bool> {
    let fail = |error: std::io::Error| Status::os(format!("storage {} at {}", storage.driver, storage.mount_point), error);
    match storage.driver.as_str() {
        "blk" | "scsi" => disks::attach(storage).map(|()| true),
        "local" => local(storage).map_err(fail).map(|()| false),
        "overlayfs" => overlay(storage).map_err(fail).map(|()| true),
        "bind" => bind(storage).map_err(fail).map(|()| true),
        "ephemeral" | "tmpfs" => ephemeral(storage).map_err(fail).map(|()| true),
        _ => share(storage).map_err(fail).map(|()| true),
    }
}

pub fn mount_at(source: &str, storage: &Storage, kind: &str, extra: MsFlags) -> std::io::Result<()> {
    let (flags, data) = split(&storage.options);
    mount(Some(source), storage.mount_point.as_str(), Some(kind), flags | extra, Some(data.as_str()))?;
    Ok(())
}

/// A directory of the host, by the tag of its virtio-fs device.
fn share(storage: &Storage) -> std::io::Result<()> {
    fs::create_dir_all(&storage.mount_point)?;
    mount_at(&storage.source, storage, "virtiofs", MsFlags::empty())
}

fn overlay(storage: &Storage) -> std::io::Result<()> {
    for option in &storage.driver_options {
        let Some(directory) = option.strip_prefix(CREATE_DIRECTORY) else { continue };
        let new = !Path::new(directory).exists();
        fs::create_dir_all(directory)?;
        if new && value_of(storage, "upperdir") == Some(directory) {
            // It stands for the root directory: whoever may enter that below may enter this.
            let lower = value_of(storage, "lowerdir").and_then(|lowers| lowers.split(':').next()).unwrap_or_default();
            let access = fs::metadata(lower)?;
            chown(directory, Some(access.uid()), Some(access.gid()))?;
            fs::set_permissions(directory, fs::Permissions::from_mode(access.mode() & 0o7777))?;
        }
    }
    fs::create_dir_all(&storage.mount_point)?;
    mount_at("overlay", storage, "overlay", MsFlags::empty())
}

fn value_of<'a>(storage: &'a Storage, key: &str) -> Option<&'a str> {
    storage.options.iter().find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
}

fn bind(storage: &Storage) -> std::io::Result<()> {
    let target = Path::new(&storage.mount_point);
    if fs::metadata(&storage.source)?.is_dir() {
        fs::create_dir_all(target)?;
    } else {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::OpenOptions::new().create(true).append(true).open(target)?;
    }
    let (flags, _) = split(&storage.options);
    let none = None::<&str>;
    mount(Some(storage.source.as_str()), target, none, MsFlags::MS_BIND | (flags & MsFlags::MS_REC), none)?;
    // The first call of a bind mount ignores every other flag: a second one sets them.
    let rest = flags & !(MsFlags::MS_BIND | MsFlags::MS_REC);
    if !rest.is_empty() {
        mount(none, target, none, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | rest, none)?;
    }
    Ok(())
}

/// Memory of the guest.
fn ephemeral(storage: &Storage) -> std::io::Result<()> {
    fs::create_dir_all(&storage.mount_point)?;
    let kind = if storage.fstype == "hugetlbfs" { "hugetlbfs" } else { "tmpfs" };
    mount_at(kind, storage, kind, MsFlags::MS_NOSUID | MsFlags::MS_NODEV)?;
    owned_by_group(storage)
}

/// Gives mounted ephemeral storages the options that they bear now, such as another size after memory was plugged.
pub fn remount_ephemeral(storages: &[Storage]) -> Result<()> {
    for storage in storages.iter().filter(|storage| storage.driver == "ephemeral") {
        check(storage)?;
        let kind = if storage.fstype == "hugetlbfs" { "hugetlbfs" } else { "tmpfs" };
        mount_at(kind, storage, kind, MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_REMOUNT)
            .map_err(|e| Status::os(format!("remount {}", storage.mount_point), e))?;
    }
    Ok(())
}

/// A directory of the guest.
fn local(storage: &Storage) -> std::io::Result<()> {
    let mode = storage.options.iter().find_map(|option| u32::from_str_radix(option.strip_prefix("mode=")?, 8).ok());
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&storage.mount_point)?;
    if let Some(mode) = mode {
        fs::set_permissions(&storage.mount_point, fs::Permissions::from_mode(mode & 0o7777))?;
    }
    owned_by_group(storage)
}

/// Gives the top directory to the group, writable and inherited.
pub fn owned_by_group(storage: &Storage) -> std::io::Result<()> {
    let Some(group) = &storage.fs_group else {
        return Ok(());
    };
    let meta = fs::metadata(&storage.mount_point)?;
    let mismatch_only = group.group_change_policy == FsGroupChangePolicy::OnRootMismatch as i32;
    if mismatch_only && meta.gid() == group.group_id {
        return Ok(());
    }
    chown(&storage.mount_point, None, Some(group.group_id))?;
    fs::set_permissions(&storage.mount_point, fs::Permissions::from_mode((meta.mode() & 0o7777) | 0o2070))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(driver: &str, mount_point: &str) -> Storage {
        Storage { driver: driver.into(), mount_point: mount_point.into(), ..Default::default() }
    }

    #[test]
    fn only_known_drivers_and_plain_paths_below_run_pass() {
        assert!(check(&storage("virtio-fs", "/run/kata-containers/shared/containers/")).is_ok());
        assert!(check(&storage("nvdimm", "/run/x")).is_err());
        assert!(check(&storage("blk", "/run/x")).is_err(), "without a source");
        for path in ["", "/", "/run", "/etc/x", "run/x", "/run/../etc"] {
            assert!(check(&storage("bind", path)).is_err(), "{path:?}");
        }
    }
}
