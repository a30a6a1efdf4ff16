//! CopyFile and GetVolumeStats.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, lchown, symlink, DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use nix::sys::statvfs::statvfs;

use crate::agent::Agent;
use crate::proto::grpc;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

/// Where files may be copied to.
const ROOT: &str = "/run/kata-containers";
const TYPE: u32 = libc::S_IFMT;

pub async fn copy(_: Rc<Agent>, request: grpc::CopyFileRequest) -> Result<()> {
    blocking(move || {
        let path = confined(&request.path)?;
        if request.file_size < 0 || request.offset < 0 || request.uid < 0 || request.gid < 0 {
            return Err(Status::invalid("CopyFile: a number is negative"));
        }
        write(&path, &request).map_err(|e| Status::os(format!("copy to {}", path.display()), e))
    })
    .await
}

/// A path below the directory for copies that leads nowhere else: no `..`, and no symbolic link on the way.
fn confined(path: &str) -> Result<PathBuf> {
    let refuse = |why: &str| Status::invalid(format!("CopyFile: {path:?} {why}"));
    let plain = Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let path = PathBuf::from(path);
    if !plain || !path.starts_with(ROOT) || path == Path::new(ROOT) {
        return Err(refuse("is not below /run/kata-containers"));
    }
    let mut part = path.parent();
    while let Some(directory) = part.filter(|directory| directory.starts_with(ROOT)) {
        if directory.is_symlink() {
            return Err(refuse("leads through a symbolic link"));
        }
        part = directory.parent();
    }
    Ok(path)
}

fn write(path: &Path, request: &grpc::CopyFileRequest) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(request.dir_mode & 0o7777).create(parent)?;
    }
    let owner = (Some(request.uid as u32), Some(request.gid as u32));
    match request.file_mode & TYPE {
        libc::S_IFLNK => {
            remove_if_there(path)?;
            symlink(std::ffi::OsStr::from_bytes(&request.data), path)?;
            lchown(path, owner.0, owner.1)
        }
        libc::S_IFDIR => {
            DirBuilder::new().recursive(true).mode(request.file_mode & 0o7777).create(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(request.file_mode & 0o7777))?;
            chown(path, owner.0, owner.1)
        }
        _ => write_part(path, request, owner),
    }
}

/// Parts gather in a file beside the target; the one that makes it whole gives it its name.
fn write_part(path: &Path, request: &grpc::CopyFileRequest, owner: (Option<u32>, Option<u32>)) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let file = open_part(&part)?;
    file.write_all_at(&request.data, request.offset as u64)?;
    if file.metadata()?.len() != request.file_size as u64 {
        return Ok(());
    }
    chown(&part, owner.0, owner.1)?;
    file.set_permissions(fs::Permissions::from_mode(request.file_mode & 0o7777))?;
    fs::rename(&part, path)
}

fn open_part(part: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).custom_flags(libc::O_NOFOLLOW).mode(0o600).open(part)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes and inodes of the file system at a path.
pub async fn volume_stats(_: Rc<Agent>, request: grpc::VolumeStatsRequest) -> Result<grpc::VolumeStatsResponse> {
    blocking(move || {
        let path = request.volume_guest_path;
        let stat = statvfs(path.as_str()).map_err(|e| Status::not_found(format!("volume {path:?}: {e}")))?;
        let block = stat.fragment_size();
        let usage = |unit, available, total, free: u64, scale: u64| grpc::VolumeUsage {
            available: available * scale,
            total: total * scale,
            used: u64::saturating_sub(total, free) * scale,
            unit: unit as i32,
        };
        use grpc::volume_usage::Unit;
        Ok(grpc::VolumeStatsResponse {
            usage: vec![
                usage(Unit::Bytes, stat.blocks_available(), stat.blocks(), stat.blocks_free(), block),
                usage(Unit::Inodes, stat.files_available(), stat.files(), stat.files_free(), 1),
            ],
            volume_condition: Some(grpc::VolumeCondition { abnormal: false, message: String::new() }),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_below_their_root() {
        assert!(confined("/run/kata-containers/shared/containers/c1/file").is_ok());
        for path in ["/etc/passwd", "/run/kata-containers", "/run/kata-containers/../x", "run/kata-containers/x", ""] {
            assert!(confined(path).is_err(), "{path:?}");
        }
    }
}
