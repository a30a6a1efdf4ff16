//! A directory as an archive, always the same for the same files: sorted by name, nothing left out but sockets and what is mounted
//! on it.

use crate::cancel::Cancel;
use crate::failure::{Failure, OrFail};
use rustix::fs::{fgetxattr, flistxattr, openat, readlinkat, statat, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tar::{Builder, EntryType, Header};

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

pub struct Packer<'a, W: Write> {
    archive: Builder<W>,
    cancel: &'a Cancel,
    /// The first name of each file that has several.
    linked: HashMap<(u64, u64), Vec<u8>>,
    device: u64,
}

/// A directory that is being walked.
struct Level {
    directory: OwnedFd,
    path: Vec<u8>,
    /// Last name first.
    names: Vec<CString>,
}

/// Writes the archive of what is below a directory.
pub fn pack(path: &Path, output: impl Write, cancel: &Cancel) -> Result<(), Failure> {
    let top = OwnedFd::from(File::open(path).or_fail(path.display())?);
    let stat = rustix::fs::fstat(&top).or_fail(path.display())?;
    let mut packer = Packer { archive: Builder::new(output), cancel, linked: HashMap::new(), device: stat.st_dev };
    packer.entry(b"./", &stat, EntryType::Directory, &[], &attributes(top.as_fd())?)?;
    let mut levels = vec![Level { names: names(&top)?, directory: top, path: Vec::new() }];
    while let Some(level) = levels.last_mut() {
        let below = match level.names.pop() {
            None => {
                levels.pop();
                continue;
            }
            Some(name) => packer.add(level, &name)?,
        };
        levels.extend(below);
    }
    packer.archive.into_inner().and_then(|mut output| output.flush()).or_fail("write the archive")
}

impl<W: Write> Packer<'_, W> {
    /// Adds one name; a directory is to be walked next.
    fn add(&mut self, level: &Level, name: &CString) -> Result<Option<Level>, Failure> {
        self.cancel.check()?;
        let path = match level.path.as_slice() {
            b"" => name.to_bytes().to_vec(),
            above => [above, b"/", name.to_bytes()].concat(),
        };
        let what = || path.escape_ascii().to_string();
        let parent = level.directory.as_fd();
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone since the directory was read.
            Err(Errno::NOENT) => return Ok(None),
            stat => stat.or_fail(what())?,
        };
        if stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            if let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)).cloned() {
                self.entry(&path, &stat, EntryType::Link, &first, &[])?;
                return Ok(None);
            }
            self.linked.insert((stat.st_dev, stat.st_ino), path.clone());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.add_directory(parent, name, path, &stat),
            FileType::RegularFile => self.add_file(parent, name, &path)?,
            FileType::Symlink => {
                let target = readlinkat(parent, name, Vec::new()).or_fail(what())?;
                self.entry(&path, &stat, EntryType::Symlink, target.to_bytes(), &[])?;
            }
            FileType::CharacterDevice => self.entry(&path, &stat, EntryType::Char, &[], &[])?,
            FileType::BlockDevice => self.entry(&path, &stat, EntryType::Block, &[], &[])?,
            FileType::Fifo => self.entry(&path, &stat, EntryType::Fifo, &[], &[])?,
            // A socket means something only to who has it open.
            _ => {}
        }
        Ok(None)
    }

    fn add_directory(
        &mut self,
        parent: BorrowedFd,
        name: &CString,
        path: Vec<u8>,
        stat: &Stat,
    ) -> Result<Option<Level>, Failure> {
        let what = || path.escape_ascii().to_string();
        let directory = openat(parent, name, OPEN | OFlags::DIRECTORY, Mode::empty()).or_fail(what())?;
        let named = [path.as_slice(), b"/"].concat();
        self.entry(&named, stat, EntryType::Directory, &[], &attributes(directory.as_fd())?)?;
        if stat.st_dev != self.device {
            return Ok(None);
        }
        Ok(Some(Level { names: names(&directory)?, directory, path }))
    }

    fn add_file(&mut self, parent: BorrowedFd, name: &CString, path: &[u8]) -> Result<(), Failure> {
        let what = || path.escape_ascii().to_string();
        let file = openat(parent, name, OPEN | OFlags::NONBLOCK, Mode::empty()).or_fail(what())?;
        // Of the file that is open, so that size and content are of one.
        let stat = rustix::fs::fstat(&file).or_fail(what())?;
        let attributes = attributes(file.as_fd())?;
        self.extensions(path, &[], &stat, &attributes)?;
        let mut header = header(path, &stat, EntryType::Regular);
        header.set_size(stat.st_size as u64);
        header.set_cksum();
        // A file that grows is cut where it ended; one that shrinks is filled with zeros.
        let content = std::io::Read::take(std::io::Read::chain(File::from(file), std::io::repeat(0)), stat.st_size as u64);
        self.archive.append(&header, content).or_fail(what())
    }

    fn entry(
        &mut self,
        path: &[u8],
        stat: &Stat,
        kind: EntryType,
        link: &[u8],
        attributes: &[(String, Vec<u8>)],
    ) -> Result<(), Failure> {
        self.extensions(path, link, stat, attributes)?;
        let mut header = header(path, stat, kind);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let device = |number: u32| header_device(number, path);
            let (major, minor) = (device(rustix::fs::major(stat.st_rdev))?, device(rustix::fs::minor(stat.st_rdev))?);
            header.set_device_major(major).and_then(|()| header.set_device_minor(minor)).or_fail("device")?;
        }
        put(&mut header.as_old_mut().linkname, link);
        header.set_cksum();
        self.archive.append(&header, std::io::empty()).or_fail(path.escape_ascii())
    }

    /// What does not fit the header's fields stands before it.
    fn extensions(&mut self, path: &[u8], link: &[u8], stat: &Stat, attributes: &[(String, Vec<u8>)]) -> Result<(), Failure> {
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        for (key, name) in [("path", path), ("linkpath", link)] {
            if name.len() > 100 {
                records.push((key.into(), name.to_vec()));
            }
        }
        if stat.st_mtime_nsec != 0 || stat.st_mtime < 0 {
            records.push(("mtime".into(), time(stat).into_bytes()));
        }
        records.extend(attributes.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())));
        if records.is_empty() {
            return Ok(());
        }
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.archive.append_pax_extensions(records).or_fail("write the archive")
    }
}

fn header(path: &[u8], stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    put(&mut header.as_old_mut().name, path);
    header
}

/// As much as fits; the whole is in an extension then.
fn put(field: &mut [u8; 100], text: &[u8]) {
    let fits = text.len().min(field.len());
    field[..fits].copy_from_slice(&text[..fits]);
}

fn header_device(number: u32, path: &[u8]) -> Result<u32, Failure> {
    // The field has seven octal digits.
    match number < 1 << 21 {
        true => Ok(number),
        false => Err(Failure::bad_image(format_args!("{} is a device that no archive can name", path.escape_ascii()))),
    }
}

/// Seconds with a fraction; one before 1970 counts away from it.
fn time(stat: &Stat) -> String {
    let (seconds, nanoseconds) = (stat.st_mtime, stat.st_mtime_nsec);
    match seconds < 0 && nanoseconds > 0 {
        true if seconds == -1 => format!("-0.{:09}", 1_000_000_000 - nanoseconds),
        true => format!("{}.{:09}", seconds + 1, 1_000_000_000 - nanoseconds),
        false => format!("{seconds}.{nanoseconds:09}"),
    }
}

fn names(directory: &OwnedFd) -> Result<Vec<CString>, Failure> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).or_fail("read a directory")? {
        let entry = entry.or_fail("read a directory")?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

/// The extended attributes that belong to an image, sorted.
fn attributes(file: BorrowedFd) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut list = vec![0u8; 64 << 10];
    let length = match flistxattr(file, &mut list[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length.or_fail("list attributes")?,
    };
    let mut found = Vec::new();
    for name in list[..length].split(|&byte| byte == 0).filter_map(|name| std::str::from_utf8(name).ok()) {
        if name != "security.capability" && !name.starts_with("user.") {
            continue;
        }
        let mut value = vec![0u8; 64 << 10];
        let length = match fgetxattr(file, name, &mut value[..]) {
            Err(Errno::NODATA) => continue,
            length => length.or_fail(name)?,
        };
        value.truncate(length);
        found.push((name.to_owned(), value));
    }
    found.sort();
    Ok(found)
}
