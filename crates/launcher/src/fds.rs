//! Descriptors that the child gets by number.

use crate::failure::{Code, Failure, OrFail};
use crate::spec::{FdKind, FdSpec};
use crate::sys;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Opens what `spec` names, in this process's namespaces. The descriptor goes through the next execve.
pub fn open(spec: &FdSpec) -> Result<OwnedFd, Failure> {
    let opened = match spec.kind {
        FdKind::Open { flags } => open_path(&spec.path, flags),
        FdKind::UnixListen { mode } => listen(Path::new(OsStr::from_bytes(spec.path.as_bytes())), mode).map(OwnedFd::from),
    };
    let fd = opened.or_fail(Code::Fd, format_args!("{}: {}", spec.name, spec.path.to_string_lossy()))?;
    sys::keep_over_exec(fd.as_fd()).or_fail(Code::Fd, &spec.name)?;
    Ok(fd)
}

fn open_path(path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: makes a descriptor that nobody else owns.
    unsafe {
        let fd = sys::check(libc::open(path.as_ptr(), flags | libc::O_CLOEXEC | libc::O_NOCTTY))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// A listening socket with exactly this mode from its first moment. A stale socket is replaced, anything else in its place is an error.
pub fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    remove_socket(path)?;
    // SAFETY: the launcher has one thread, so the mask is nobody else's meanwhile.
    let before = unsafe { libc::umask(0o777 & !mode) };
    let listener = UnixListener::bind(path);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    listener
}

/// Removes a socket file. That there is none is fine.
pub fn remove_socket(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
