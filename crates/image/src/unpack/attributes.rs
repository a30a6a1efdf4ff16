//! Owners, modes, times and extended attributes of what was made.

use crate::failure::{Code, Failure};
use crate::tar::entry::{shown, Entry, Time};
use crate::unpack::root::refused;
use rustix::fs::{fchmod, fchown, fsetxattr, futimens, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, UTIME_OMIT};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// Above this ext4 says "no space" and means "too large" (an inode's attributes fit in one block).
const SURELY_FITS: usize = 2048;

/// Owner first: a change of owner takes set-uid bits and capabilities away.
pub fn set_on(file: BorrowedFd, entry: &Entry) -> Result<(), Failure> {
    let fail = |errno| refused(errno, &entry.name);
    fchown(file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))).map_err(fail)?;
    fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(fail)?;
    for (name, value) in &entry.xattrs {
        set_attribute(file, entry, name, value)?;
    }
    Ok(())
}

pub fn set_time(file: BorrowedFd, entry: &Entry) -> Result<(), Failure> {
    futimens(file, &times(entry.mtime)).map_err(|errno| refused(errno, &entry.name))
}

pub fn times(mtime: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
    }
}

/// Capabilities and `user.*` are the image's. `trusted.*` would speak to the host's overlayfs. Others (SELinux labels, ACLs in
/// the kernel's form) belong to the host that made the image and are left out, as other tools do.
fn set_attribute(file: BorrowedFd, entry: &Entry, name: &[u8], value: &[u8]) -> Result<(), Failure> {
    if name.starts_with(b"trusted.") {
        return Err(Failure::bad_image(format_args!("{} has the attribute {}", shown(&entry.name), shown(name))));
    }
    let is_users = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
    if name != b"security.capability" && !is_users {
        return Ok(());
    }
    match fsetxattr(file, name, value, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        // A file system without user attributes, or an object that can't have them.
        Err(Errno::OPNOTSUPP | Errno::PERM) if is_users => Ok(()),
        Err(Errno::TOOBIG | Errno::RANGE | Errno::INVAL) => Err(too_large(entry, name)),
        Err(Errno::NOSPC) if value.len() > SURELY_FITS => Err(too_large(entry, name)),
        Err(errno) => Err(refused(errno, &entry.name)),
    }
}

fn too_large(entry: &Entry, name: &[u8]) -> Failure {
    let message = format!("{} has an attribute {} that can't be", shown(&entry.name), shown(name));
    Failure::new(Code::BadImage, message)
}
