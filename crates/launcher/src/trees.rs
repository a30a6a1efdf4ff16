//! Removing whole trees, whatever a guest has put into them.
//!
//! Names are resolved one at a time below an open directory, never through a symbolic link and never into another mount (bind mounts
//! of the same file system included). Depth has no limit and costs no descriptors: what lies too deep is moved up first.

use crate::json::Value;
use crate::mounts;
use crate::sys;
use crate::worker::Refused;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Open directories at a time. What lies deeper is moved to the top of its tree and removed from there.
const MAX_DEPTH: usize = 24;
/// Entries are read in pieces of this size, one at a time for each level.
const ENTRIES_BYTES: usize = 4096;

/// `{"paths":[…]}`: each with all in it; one that is missing is fine. Goes on after what can't be removed and then names the first.
pub fn remove(request: &Value) -> Result<(), Refused> {
    let items = mounts::list(request, "paths")?;
    let paths = items.iter().map(|item| mounts::absolute(Some(item), "paths")).collect::<Result<Vec<CString>, String>>()?;
    let refused: Vec<Refused> = paths.iter().filter_map(|path| remove_one(path).err()).collect();
    refused.into_iter().next().map_or(Ok(()), Err)
}

fn remove_one(path: &CStr) -> Result<(), Refused> {
    let mut removal = Removal { first: None, moved: 0, top: -1 };
    let text = path.to_string_lossy();
    let (parent, name) = match text.trim_end_matches('/').rsplit_once('/') {
        Some((_, "" | "." | "..")) | None => {
            return Err(Refused::from(format!("{text} is not a path whose tree can be removed")))
        }
        Some((parent, name)) => (format!("{parent}/"), name),
    };
    let as_c = |text: &str| CString::new(text).map_err(|_| Refused::from("a path holds a NUL byte".to_owned()));
    match open_directory(libc::AT_FDCWD, &as_c(&parent)?, 0) {
        Ok(parent) => removal.entry(parent.as_fd(), &as_c(name)?, &text, 0),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
        Err(error) => removal.failed(&text, &error),
    }
    removal.first.map_or(Ok(()), Err)
}

struct Removal {
    /// The first that could not be removed.
    first: Option<Refused>,
    /// Counts names for what is moved up.
    moved: u32,
    /// The tree's own directory while it is open.
    top: RawFd,
}

impl Removal {
    fn failed(&mut self, path: &str, error: &io::Error) {
        if self.first.is_none() {
            self.first = Some(Refused::call("remove", path, error));
        }
    }

    /// Removes one name below `parent`.
    fn entry(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &str, depth: usize) {
        match unlink(parent, name, 0) {
            Ok(()) => return,
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => return,
                Some(libc::EISDIR) => {}
                _ => return self.failed(path, &error),
            },
        }
        if depth == MAX_DEPTH {
            if let Err(error) = self.move_up(parent, name) {
                self.failed(path, &error);
            }
            return;
        }
        if let Err(error) = self.directory(parent, name, path, depth) {
            self.failed(path, &error);
        }
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &str, depth: usize) -> io::Result<()> {
        let beneath = libc::RESOLVE_NO_XDEV | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_BENEATH;
        let directory = match open_directory(parent.as_raw_fd(), name, beneath) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            other => other?,
        };
        if depth == 0 {
            self.top = directory.as_raw_fd();
        }
        // Names that come while it is emptied (moved up, or written by somebody) are found by the next pass; one without any gain is the last.
        loop {
            let gained = self.empty(directory.as_fd(), path, depth)?;
            match unlink(parent, name, libc::AT_REMOVEDIR) {
                Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) && gained => rewind(directory.as_fd())?,
                Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) && self.first.is_some() => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
                other => return other,
            }
        }
    }

    /// One pass over the entries; true when at least one went.
    fn empty(&mut self, directory: BorrowedFd<'_>, path: &str, depth: usize) -> io::Result<bool> {
        let mut buffer = Entries([0; ENTRIES_BYTES]);
        let mut gained = false;
        loop {
            let length = read_entries(directory, &mut buffer)?;
            if length == 0 {
                return Ok(gained);
            }
            for name in names(&buffer.0[..length]) {
                let below = format!("{path}/{}", name.to_string_lossy());
                self.entry(directory, name, &below, depth + 1);
                gained = gained || !exists(directory, name);
            }
        }
    }

    /// A directory that lies too deep gets a name at the top of its tree, where a later pass finds it.
    fn move_up(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            let above = CString::new(format!(".removed-{}", self.moved))?;
            // SAFETY: C strings that outlive the call; the top directory is open as long as anything below it is worked on.
            let moved = unsafe {
                libc::syscall(
                    libc::SYS_renameat2,
                    parent.as_raw_fd(),
                    name.as_ptr(),
                    self.top,
                    above.as_ptr(),
                    libc::RENAME_NOREPLACE,
                )
            };
            match sys::check(moved) {
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
                other => return other.map(|_| ()),
            }
        }
    }
}

fn unlink(parent: BorrowedFd<'_>, name: &CStr, flags: i32) -> io::Result<()> {
    // SAFETY: a C string that outlives the call.
    sys::check(unsafe { libc::unlinkat(parent.as_raw_fd(), name.as_ptr(), flags) }).map(|_| ())
}

fn exists(parent: BorrowedFd<'_>, name: &CStr) -> bool {
    // SAFETY: a C string that outlives the call.
    unsafe { libc::faccessat(parent.as_raw_fd(), name.as_ptr(), libc::F_OK, libc::AT_SYMLINK_NOFOLLOW) == 0 }
}

/// openat2(2) of a directory.
fn open_directory(parent: RawFd, name: &CStr, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers, for which zero is valid; the structure may grow in the libc's later versions.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: a C string and a structure that outlive the call; makes a descriptor that nobody else owns.
    unsafe {
        let fd =
            sys::check(libc::syscall(libc::SYS_openat2, parent, name.as_ptr(), &how, std::mem::size_of::<libc::open_how>()))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

fn rewind(directory: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: lseek on a live descriptor.
    sys::check(unsafe { libc::lseek(directory.as_raw_fd(), 0, libc::SEEK_SET) }).map(|_| ())
}

/// Aligned as the kernel's entries are.
#[repr(align(8))]
struct Entries([u8; ENTRIES_BYTES]);

fn read_entries(directory: BorrowedFd<'_>, buffer: &mut Entries) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live array.
    let count =
        sys::check(unsafe { libc::syscall(libc::SYS_getdents64, directory.as_raw_fd(), buffer.0.as_mut_ptr(), ENTRIES_BYTES) })?;
    Ok(count as usize)
}

/// Where in a `linux_dirent64` (getdents64(2)) its length and its name begin.
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// The names of a piece of entries, but `.` and `..`.
fn names(mut entries: &[u8]) -> impl Iterator<Item = &CStr> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*entries.get(LENGTH_AT)?, *entries.get(LENGTH_AT + 1)?]));
        let (entry, rest) = entries.split_at_checked(length)?;
        entries = rest;
        CStr::from_bytes_until_nul(entry.get(NAME_AT..)?).ok()
    })
    .filter(|name| !matches!(name.to_bytes(), b"." | b".."))
}
