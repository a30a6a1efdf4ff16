//! Bind mounts of what belongs to others: a host's directories and files in a sandbox's share.

use crate::json::Value;
use crate::mounts::{absolute, list};
use crate::sys;
use crate::worker::Refused;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const ATTRIBUTES: [(&str, u64); 4] = [
    ("ro", libc::MOUNT_ATTR_RDONLY),
    ("nosuid", libc::MOUNT_ATTR_NOSUID),
    ("nodev", libc::MOUNT_ATTR_NODEV),
    ("noexec", libc::MOUNT_ATTR_NOEXEC),
];
const PROPAGATIONS: [(&str, libc::c_ulong); 2] = [("private", libc::MS_PRIVATE), ("slave", libc::MS_SLAVE)];

struct Bind {
    source: CString,
    /// Relative to the source; empty is the source itself.
    sub_path: CString,
    target: CString,
    attributes: u64,
    propagation: u64,
    recursive: bool,
}

/// `{"binds":[{"source":…,"sub_path":…,"target":…,"attributes":[…],"propagation":…,"recursive":…},…]}`: one after the other, up to the first that
/// fails. All are parsed before the first is done. The mount point is made when it is missing: a directory or a file, as the source is.
///
/// A mount gets its attributes before it is attached. Where it is attached peers may copy it, and a copy keeps what it was made with.
pub fn bind(request: &Value) -> Result<(), Refused> {
    let binds = list(request, "binds")?.iter().map(parse).collect::<Result<Vec<Bind>, String>>()?;
    binds.iter().try_for_each(Bind::perform)
}

fn parse(value: &Value) -> Result<Bind, String> {
    let text = |key: &str| value.get(key).map_or(Some(""), Value::as_str).ok_or_else(|| format!("{key} is not a string"));
    let mut attributes = 0;
    if value.get("attributes").is_some() {
        for item in list(value, "attributes")? {
            attributes |= item.as_str().and_then(|name| known(&ATTRIBUTES, name)).ok_or("attributes holds what is none")?;
        }
    }
    let propagation = match text("propagation")? {
        "" => libc::MS_PRIVATE,
        name => known(&PROPAGATIONS, name).ok_or_else(|| format!("unknown propagation \"{name}\""))?,
    };
    let sub_path = text("sub_path")?;
    if sub_path.starts_with('/') {
        return Err("sub_path is not relative".to_owned());
    }
    Ok(Bind {
        source: absolute(value.get("source"), "source")?,
        sub_path: CString::new(sub_path).map_err(|_| "sub_path holds a NUL byte".to_owned())?,
        target: absolute(value.get("target"), "target")?,
        attributes,
        propagation,
        recursive: value.get("recursive") == Some(&Value::from(true)),
    })
}

fn known<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

impl Bind {
    fn perform(&self) -> Result<(), Refused> {
        let failed = |path: &CStr| {
            let path = path.to_string_lossy().into_owned();
            move |error: io::Error| Refused::call("bind", &path, &error)
        };
        let source = self.open().map_err(failed(&self.source))?;
        let directory = is_directory(&source).map_err(failed(&self.source))?;
        let tree = self.detached(&source).map_err(failed(&self.source))?;
        make_mount_point(&self.target, directory).map_err(failed(&self.target))?;
        attach(&tree, &self.target).map_err(failed(&self.target))
    }

    /// The source's name was resolved by who asks: a link in it now was put there since. A sub path may have links, and none leads out.
    fn open(&self) -> io::Result<OwnedFd> {
        let source = open_beneath(libc::AT_FDCWD, &self.source, libc::RESOLVE_NO_SYMLINKS)?;
        if self.sub_path.is_empty() {
            return Ok(source);
        }
        open_beneath(source.as_raw_fd(), &self.sub_path, libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS)
    }

    /// A copy of the mount that is attached nowhere yet.
    fn detached(&self, source: &OwnedFd) -> io::Result<OwnedFd> {
        let recursive = if self.recursive { libc::AT_RECURSIVE as u32 } else { 0 };
        let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32 | recursive;
        // SAFETY: a descriptor that lives for the call, an empty C string; the result is a descriptor that nobody else owns.
        let tree = unsafe { owned(libc::syscall(libc::SYS_open_tree, source.as_raw_fd(), c"".as_ptr(), flags))? };
        let attributes = libc::mount_attr { attr_set: self.attributes, attr_clr: 0, propagation: self.propagation, userns_fd: 0 };
        // SAFETY: the structure lives for the call and its size is told.
        sys::check(unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                tree.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH as u32 | recursive,
                &raw const attributes,
                size_of::<libc::mount_attr>(),
            )
        })?;
        Ok(tree)
    }
}

fn attach(tree: &OwnedFd, target: &CStr) -> io::Result<()> {
    // SAFETY: a descriptor and C strings that live for the call.
    sys::check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(|_| ())
}

fn open_beneath(directory: RawFd, path: &CStr, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: all zeroes is a valid open_how.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: a C string and a structure that live for the call, and its size; the result is a descriptor that nobody else owns.
    unsafe { owned(libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), &raw const how, size_of::<libc::open_how>())) }
}

/// Directories and files only: a socket or a FIFO has its other end in this host's kernel and not in the guest's.
fn is_directory(file: &OwnedFd) -> io::Result<bool> {
    // SAFETY: all zeroes is a valid stat, which lives for the call.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    sys::check(unsafe { libc::fstat(file.as_raw_fd(), &raw mut found) })?;
    match found.st_mode & libc::S_IFMT {
        libc::S_IFDIR => Ok(true),
        libc::S_IFREG => Ok(false),
        _ => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

fn make_mount_point(target: &CStr, directory: bool) -> io::Result<()> {
    // SAFETY: a C string that lives for the calls; the new descriptor is closed at once.
    let made = unsafe {
        if directory {
            sys::check(libc::mkdir(target.as_ptr(), 0o700)).map(|_| ())
        } else {
            sys::check(libc::open(target.as_ptr(), libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC, 0o600))
                .map(|fd| drop(OwnedFd::from_raw_fd(fd)))
        }
    };
    made.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
}

/// # Safety
/// `result` is what a system call answered that makes a descriptor.
unsafe fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = sys::check(result)?;
    // SAFETY: as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
