//! The working directory of a new process, looked up as the process will see it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::sys::stat::{mkdirat, Mode};

use crate::ttrpc::status::{Result, Status};

/// Makes the directory in a root file system that is not yet mounted over. Every link on the way leads within `root`.
pub fn make(root: &Path, cwd: &str) -> Result<()> {
    let made = directory(root).and_then(|root| make_in(&root, Path::new(cwd)));
    made.map_err(|e| Status::precondition(format!("Process.Cwd: {cwd:?} is not there and cannot be made: {e}")))
}

/// Refuses a directory that is not there in the root of the process `pid`.
pub fn check(pid: i32, cwd: &str) -> Result<()> {
    let found = directory(Path::new(&format!("/proc/{pid}/root"))).and_then(|root| beneath(&root, Path::new(cwd)));
    found.map(drop).map_err(|e| Status::precondition(format!("Process.Cwd: {cwd:?}: {e}")))
}

pub fn directory(path: &Path) -> io::Result<OwnedFd> {
    let fd = open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    // SAFETY: open answered a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a directory and its parents where they are missing.
pub fn make_in(root: &OwnedFd, path: &Path) -> io::Result<()> {
    let mut at = Path::new("/").to_path_buf();
    for part in path.components() {
        let parent = at.clone();
        at.push(part);
        match beneath(root, &at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && matches!(part, Component::Normal(_)) => {
                let parent = beneath(root, &parent)?;
                mkdirat(Some(parent.as_raw_fd()), Path::new(part.as_os_str()), Mode::from_bits_truncate(0o755))?;
            }
            found => drop(found?),
        }
    }
    Ok(())
}

/// Opens a directory with `root` as the root for every link and every `..`.
pub fn beneath(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: open_how is plain data, for which zero is a valid value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT;
    let size = size_of::<libc::open_how>();
    // SAFETY: path and how live for the call, and size is that of how.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &how, size) };
    // SAFETY: openat2 answered a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(fd)? as RawFd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_within_the_root_whatever_the_links_say() {
        let root = std::env::temp_dir().join(format!("viv-cwd-{}", std::process::id()));
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::os::unix::fs::symlink("/real", root.join("link")).unwrap();
        make(&root, "/link/../link/a/b").unwrap();
        assert!(root.join("real/a/b").is_dir());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
