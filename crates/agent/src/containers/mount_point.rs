//! Where a file is mounted in a root file system that has a symbolic link there, such as /etc/resolv.conf of a system that makes it at boot.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{openat, readlinkat, OFlag};
use nix::sys::stat::Mode;

use super::cwd;
use crate::proto::grpc::Mount;
use crate::ttrpc::status::{Result, Status};

/// The kernel follows no more of them either.
const MOST_LINKS: usize = 40;

/// Makes the files that links at the mounts' destinations lead to, as other runtimes do; ours makes only what no link leads to.
pub fn make(root: &Path, mounts: &[Mount]) -> Result<()> {
    for mount in mounts.iter().filter(|mount| mount.r#type == "bind" && Path::new(&mount.source).is_file()) {
        cwd::directory(root)
            .and_then(|root| make_file(&root, Path::new(&mount.destination)))
            .map_err(|e| Status::precondition(format!("Mounts.destination: {:?}: {e}", mount.destination)))?;
    }
    Ok(())
}

fn make_file(root: &OwnedFd, destination: &Path) -> io::Result<()> {
    let mut path = destination.to_path_buf();
    for links in 0..MOST_LINKS {
        let (Some(parent), Some(name)) = (path.parent().map(Path::to_path_buf), path.file_name().map(PathBuf::from)) else {
            return Err(Errno::EISDIR.into());
        };
        let found = match cwd::beneath(root, &parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && links > 0 => {
                cwd::make_in(root, &parent)?;
                cwd::beneath(root, &parent)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        match readlinkat(Some(found.as_raw_fd()), &name) {
            Ok(target) => path = parent.join(target),
            Err(Errno::ENOENT) if links > 0 => return create(&found, &name),
            // There is something, or nothing at all: the runtime copes with both.
            Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::ELOOP.into())
}

fn create(parent: &OwnedFd, name: &Path) -> io::Result<()> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let fd = openat(Some(parent.as_raw_fd()), name, flags, Mode::from_bits_truncate(0o644))?;
    // SAFETY: openat answered a descriptor that nobody else owns.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn bind(destination: &str) -> Mount {
        Mount { destination: destination.into(), source: "/proc/self/cmdline".into(), r#type: "bind".into(), options: Vec::new() }
    }

    #[test]
    fn a_link_that_leads_nowhere_gets_its_file_within_the_root() {
        let root = std::env::temp_dir().join(format!("viv-mount-point-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink("../run/stub/resolv.conf", root.join("etc/resolv.conf")).unwrap();
        symlink("/../../over/the/top", root.join("etc/hosts")).unwrap();
        symlink("loop", root.join("etc/loop")).unwrap();
        make(&root, &[bind("/etc/resolv.conf"), bind("/etc/hosts"), bind("/etc/hostname"), bind("/nowhere/file")]).unwrap();
        assert!(root.join("run/stub/resolv.conf").is_file());
        assert!(root.join("over/the/top").is_file());
        assert!(!root.join("etc/hostname").exists() && !root.join("nowhere").exists(), "left to the runtime");
        assert!(make(&root, &[bind("/etc/loop")]).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
