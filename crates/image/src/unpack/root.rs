//! Paths beneath a layer's root, resolved by the kernel so that none leaves it: no `..` and no link above the root, nothing of
//! another file system, no magic links (openat2(2)). A link inside of the layer that stays inside is followed in parents only.

use crate::failure::{Code, Failure};
use crate::tar::entry::shown;
use crate::unpack::name::Parts;
use rustix::fs::{chmodat, mkdirat, openat2, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);

/// Directories that are nowhere in the archive but above its entries.
const IMPLIED_MODE: u32 = 0o755;

pub struct Root {
    directory: OwnedFd,
    /// The parent that was looked up last: entries of a directory stand together.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
}

/// A name in a directory that is known to be beneath the root.
pub struct Place {
    parent: Rc<OwnedFd>,
    pub name: CString,
}

impl Place {
    pub fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }
}

impl Root {
    pub fn new(directory: OwnedFd) -> Root {
        Root { directory, last: None }
    }

    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The place of a path, its parents made where they are missing; `made` is told of each. The path is not empty.
    pub fn place(&mut self, parts: &Parts, made: &mut dyn FnMut() -> Result<(), Failure>) -> Result<Place, Failure> {
        let (name, above) = split(parts)?;
        let key = above.join(&b'/');
        if let Some((known, parent)) = &self.last {
            if *known == key {
                return Ok(Place { parent: parent.clone(), name });
            }
        }
        let parent = match self.open(above) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.make(above, made)?,
            opened => opened.map_err(|errno| refused(errno, &key))?,
        };
        let parent = Rc::new(parent);
        self.last = Some((key, parent.clone()));
        Ok(Place { parent, name })
    }

    /// The place of what is there already, such as the target of a hard link.
    pub fn existing(&self, parts: &Parts) -> Result<Place, Failure> {
        let (name, above) = split(parts)?;
        let parent = self.open(above).map_err(|errno| refused(errno, &parts.join(&b'/')))?;
        Ok(Place { parent: Rc::new(parent), name })
    }

    /// Opens a directory; no parts are the root itself.
    pub fn open(&self, parts: &[&[u8]]) -> Result<OwnedFd, Errno> {
        let path = match parts {
            [] => c".".to_owned(),
            parts => CString::new(parts.join(&b'/')).map_err(|_| Errno::INVAL)?,
        };
        openat2(&self.directory, path, DIRECTORY, Mode::empty(), BENEATH)
    }

    /// To be called when a directory was removed or replaced.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Makes the directories of a path that are missing. A whiteout in the way becomes a directory that hides what is below.
    fn make(&self, parts: &[&[u8]], made: &mut dyn FnMut() -> Result<(), Failure>) -> Result<OwnedFd, Failure> {
        let fail = |errno| refused(errno, &parts.join(&b'/'));
        let mut above = self.open(&[]).map_err(fail)?;
        for depth in 1..=parts.len() {
            let name = parts[depth - 1];
            let next = match self.open(&parts[..depth]) {
                Ok(next) => next,
                Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => {
                    let whiteout = errno == Errno::NOTDIR && is_whiteout(above.as_fd(), name).map_err(fail)?;
                    if whiteout {
                        rustix::fs::unlinkat(&above, name, AtFlags::empty()).map_err(fail)?;
                    }
                    made()?;
                    mkdirat(&above, name, Mode::from_raw_mode(IMPLIED_MODE)).map_err(|errno| match errno {
                        Errno::EXIST => fail(Errno::NOTDIR),
                        errno => fail(errno),
                    })?;
                    chmodat(&above, name, Mode::from_raw_mode(IMPLIED_MODE), AtFlags::empty()).map_err(fail)?;
                    let next = self.open(&parts[..depth]).map_err(fail)?;
                    if whiteout {
                        make_opaque(next.as_fd())?;
                    }
                    next
                }
                Err(errno) => return Err(fail(errno)),
            };
            above = next;
        }
        Ok(above)
    }
}

fn split<'a, 'b>(parts: &'b [&'a [u8]]) -> Result<(CString, &'b [&'a [u8]]), Failure> {
    let named = parts.split_last().and_then(|(name, above)| Some((CString::new(*name).ok()?, above)));
    named.ok_or_else(|| Failure::bad_image("an entry can't have this name"))
}

/// True of the character device 0/0, which overlayfs takes for "not here" (kernel, filesystems/overlayfs.rst).
pub fn is_whiteout(parent: BorrowedFd, name: impl rustix::path::Arg) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_device = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice;
    Ok(is_device && stat.st_rdev == 0)
}

/// Marks a directory as hiding all that the layers below have in it.
pub fn make_opaque(directory: BorrowedFd) -> Result<(), Failure> {
    rustix::fs::fsetxattr(directory, "trusted.overlay.opaque", b"y", rustix::fs::XattrFlags::empty())
        .map_err(|errno| Failure::io("mark a directory opaque", &errno.into()))
}

/// What the kernel's refusal of a name means: mostly that the archive asks for what can't be.
pub fn refused(errno: Errno, name: &[u8]) -> Failure {
    let name = shown(name);
    let because = match errno {
        Errno::XDEV | Errno::LOOP => "leaves the layer",
        Errno::NOTDIR => "is below what is no directory",
        Errno::NOENT => "refers to what is not in the layer",
        Errno::NAMETOOLONG => "is too long a name",
        Errno::MLINK => "has too many links",
        Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => "is in the way of another entry",
        errno => return Failure::io(&name, &errno.into()),
    };
    Failure::new(Code::BadImage, format_args!("{name} {because}"))
}
