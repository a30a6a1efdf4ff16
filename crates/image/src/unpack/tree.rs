//! Makes an archive's entries beneath a root, in the form that overlayfs wants of a layer.

use super::attributes::{set_on, set_time, times};
use super::budget::Budget;
use super::name::{meaning, parts, Meaning, Parts};
use super::root::{is_whiteout, make_opaque, refused, Place, Root};
use crate::failure::{Failure, OrFail};
use crate::remove::remove_at;
use crate::tar::entry::{shown, Entry, Kind, Time};
use crate::tar::reader::read_failure;
use rustix::fs::{
    chownat, ftruncate, linkat, makedev, mkdirat, mknodat, openat, statat, symlinkat, utimensat, AtFlags, FileType, Gid, Mode,
    OFlags, Uid,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

const CHUNK: usize = 256 << 10;
const NEW_FILE: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const OLD_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Character devices that every container has anyway. 0/0 is a whiteout in the form of overlayfs.
const HARMLESS_DEVICES: [(u32, u32); 9] = [(0, 0), (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];

pub struct Tree {
    root: Root,
    budget: Budget,
    /// Set at the end: each file that is made changes its directory's time.
    directory_times: HashMap<Vec<u8>, Time>,
    buffer: Vec<u8>,
}

impl Tree {
    pub fn new(directory: OwnedFd, budget: Budget) -> Tree {
        Tree { root: Root::new(directory), budget, directory_times: HashMap::new(), buffer: vec![0; CHUNK] }
    }

    /// Makes one entry; its data is read from `data`.
    pub fn add(&mut self, entry: &Entry, data: &mut impl Read) -> Result<(), Failure> {
        self.budget.add_file(entry.file_size())?;
        match meaning(&entry.name)? {
            Meaning::Skipped => Ok(()),
            Meaning::Whiteout(parts) => self.add_whiteout(&parts),
            Meaning::Opaque(parts) => self.add_opaque(&parts),
            Meaning::Plain(parts) if parts.is_empty() => self.add_root(entry),
            Meaning::Plain(parts) => self.add_plain(&parts, entry, data),
        }
    }

    /// Sets the times of directories; returns the bytes of all files.
    pub fn finish(self) -> Result<u64, Failure> {
        for (path, time) in self.directory_times {
            match self.root.open(&parts(&path)?) {
                Ok(directory) => rustix::fs::futimens(&directory, &times(time)).map_err(|errno| refused(errno, &path))?,
                // Replaced by a later entry.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => {}
                Err(errno) => return Err(refused(errno, &path)),
            }
        }
        Ok(self.budget.spend())
    }

    fn place(&mut self, parts: &Parts) -> Result<Place, Failure> {
        let Tree { root, budget, .. } = self;
        root.place(parts, &mut || budget.add_file(0))
    }

    fn add_plain(&mut self, parts: &Parts, entry: &Entry, data: &mut impl Read) -> Result<(), Failure> {
        let place = self.place(parts)?;
        match entry.kind {
            Kind::File => self.add_file(&place, entry, data),
            Kind::Directory => self.add_directory(&place, parts, entry),
            Kind::HardLink => self.add_hard_link(&place, parts, entry),
            Kind::Symlink => {
                self.anew(&place, &entry.name, |place| symlinkat(entry.link.as_slice(), place.parent(), &place.name))?;
                set_on_place(&place, entry)
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let (kind, device) = node(entry)?;
                let mode = Mode::from_raw_mode(entry.mode);
                self.anew(&place, &entry.name, |place| mknodat(place.parent(), &place.name, kind, mode, device))?;
                set_on_place(&place, entry)
            }
        }
    }

    fn add_root(&mut self, entry: &Entry) -> Result<(), Failure> {
        if entry.kind != Kind::Directory {
            return Err(Failure::bad_image("the layer's root is no directory"));
        }
        let root = self.root.open(&[]).or_fail("open the layer's root")?;
        set_on(root.as_fd(), entry)?;
        self.directory_times.insert(Vec::new(), entry.mtime);
        Ok(())
    }

    fn add_file(&mut self, place: &Place, entry: &Entry, data: &mut impl Read) -> Result<(), Failure> {
        let mode = Mode::from_raw_mode(0o600);
        let file = self.anew(place, &entry.name, |place| openat(place.parent(), &place.name, NEW_FILE, mode))?;
        let file = File::from(file);
        match &entry.sparse {
            None => self.write(&file, entry, data, 0, entry.data)?,
            Some(map) => {
                for &(offset, length) in &map.parts {
                    self.write(&file, entry, data, offset, length)?;
                }
                ftruncate(&file, map.size).map_err(|errno| refused(errno, &entry.name))?;
            }
        }
        set_on(file.as_fd(), entry)?;
        set_time(file.as_fd(), entry)
    }

    fn write(&mut self, file: &File, entry: &Entry, data: &mut impl Read, mut at: u64, length: u64) -> Result<(), Failure> {
        let mut data = data.take(length);
        loop {
            let got = data.read(&mut self.buffer).map_err(read_failure)?;
            if got == 0 {
                return Ok(());
            }
            file.write_all_at(&self.buffer[..got], at).or_fail(shown(&entry.name))?;
            at += got as u64;
        }
    }

    fn add_directory(&mut self, place: &Place, parts: &Parts, entry: &Entry) -> Result<(), Failure> {
        let make = || mkdirat(place.parent(), &place.name, Mode::RWXU);
        let mut hides = false;
        match make() {
            Err(Errno::EXIST) if !is_directory(place, &entry.name)? => {
                hides = is_whiteout(place.parent(), &place.name).map_err(|errno| refused(errno, &entry.name))?;
                self.clear(place, &entry.name)?;
                make().map_err(|errno| refused(errno, &entry.name))?;
            }
            Err(Errno::EXIST) | Ok(()) => {}
            Err(errno) => return Err(refused(errno, &entry.name)),
        }
        let opened = openat(place.parent(), &place.name, OLD_DIRECTORY, Mode::empty());
        let directory = opened.map_err(|errno| refused(errno, &entry.name))?;
        if hides {
            make_opaque(directory.as_fd())?;
        }
        set_on(directory.as_fd(), entry)?;
        self.directory_times.insert(parts.join(&b'/'), entry.mtime);
        Ok(())
    }

    /// A hard link has the attributes of its target already.
    fn add_hard_link(&mut self, place: &Place, path: &Parts, entry: &Entry) -> Result<(), Failure> {
        let target_parts = parts(&entry.link)?;
        if target_parts == *path {
            return Ok(());
        }
        let target = self.root.existing(&target_parts)?;
        let link = |place: &Place| match is_directory(&target, &entry.link) {
            Ok(true) => Err(Errno::ISDIR),
            _ => linkat(target.parent(), &target.name, place.parent(), &place.name, AtFlags::empty()),
        };
        self.anew(place, &entry.name, link)
    }

    fn add_whiteout(&mut self, parts: &Parts) -> Result<(), Failure> {
        let place = self.place(parts)?;
        let made = mknodat(place.parent(), &place.name, FileType::CharacterDevice, Mode::empty(), 0);
        match made {
            Err(Errno::EXIST) => {}
            made => return made.map_err(|errno| refused(errno, &parts.join(&b'/'))),
        }
        // This layer has the name itself, which hides what is below: all of it only if a directory is told to.
        if is_directory(&place, &parts.join(&b'/'))? {
            return self.add_opaque(parts);
        }
        Ok(())
    }

    fn add_opaque(&mut self, parts: &Parts) -> Result<(), Failure> {
        if parts.is_empty() {
            return make_opaque(self.root.directory());
        }
        // The mark may come before its directory's own entry.
        let mut inside = parts.clone();
        inside.push(b".");
        let place = self.place(&inside)?;
        make_opaque(place.parent())
    }

    /// Makes something where nothing may be: what is there goes, as later entries win.
    fn anew<T>(&mut self, place: &Place, name: &[u8], make: impl Fn(&Place) -> Result<T, Errno>) -> Result<T, Failure> {
        let made = match make(place) {
            Err(Errno::EXIST) => {
                self.clear(place, name)?;
                make(place)
            }
            made => made,
        };
        made.map_err(|errno| refused(errno, name))
    }

    fn clear(&mut self, place: &Place, name: &[u8]) -> Result<(), Failure> {
        self.root.forget();
        remove_at(place.parent(), &place.name).map_err(|errno| refused(errno, name))
    }
}

fn node(entry: &Entry) -> Result<(FileType, u64), Failure> {
    let (major, minor) = entry.device;
    match entry.kind {
        Kind::Fifo => Ok((FileType::Fifo, 0)),
        Kind::CharDevice if HARMLESS_DEVICES.contains(&entry.device) => Ok((FileType::CharacterDevice, makedev(major, minor))),
        _ => Err(Failure::bad_image(format_args!("{} is the device {major}:{minor}", shown(&entry.name)))),
    }
}

fn is_directory(place: &Place, name: &[u8]) -> Result<bool, Failure> {
    let stat = statat(place.parent(), &place.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| refused(errno, name))?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Sets owner, mode and time of what can't be opened without an effect: links and nodes.
fn set_on_place(place: &Place, entry: &Entry) -> Result<(), Failure> {
    let fail = |errno| refused(errno, &entry.name);
    let (parent, name) = (place.parent(), &place.name);
    chownat(parent, name, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(fail)?;
    if entry.kind != Kind::Symlink {
        // Made a moment ago by us, and not a link: what chmod follows is the thing itself.
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty()).map_err(fail)?;
    }
    utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(fail)
}
