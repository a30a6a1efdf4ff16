//! Hostile and odd archives, unpacked into real directories.

mod escapes;
mod formats;
mod layers;

use super::budget::ImageBudget;
use super::layer::{unpack, Unpacked, Watch};
use crate::cancel::Cancel;
use crate::failure::{Code, Failure};
use crate::request::Limits;
use rustix::fs::{getxattr, lgetxattr};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// Writes archives as they are told to: names and links of any kind.
struct Archive {
    builder: Builder<Vec<u8>>,
}

impl Archive {
    fn new() -> Archive {
        Archive { builder: Builder::new(Vec::new()) }
    }

    fn put(mut self, kind: EntryType, name: &str, link: &str, data: &[u8], change: impl FnOnce(&mut Header)) -> Archive {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o755);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1000);
        change(&mut header);
        header.set_cksum();
        self.builder.append(&header, data).expect("appended");
        self
    }

    fn file(self, name: &str, data: &str) -> Archive {
        self.put(EntryType::Regular, name, "", data.as_bytes(), |_| ())
    }

    fn directory(self, name: &str) -> Archive {
        self.put(EntryType::Directory, name, "", b"", |_| ())
    }

    fn link(self, name: &str, target: &str) -> Archive {
        self.put(EntryType::Symlink, name, target, b"", |_| ())
    }

    fn hard_link(self, name: &str, target: &str) -> Archive {
        self.put(EntryType::Link, name, target, b"", |_| ())
    }

    fn device(self, kind: EntryType, name: &str, major: u32, minor: u32) -> Archive {
        self.put(kind, name, "", b"", |header| {
            header.set_device_major(major).expect("major");
            header.set_device_minor(minor).expect("minor");
        })
    }

    fn pax(mut self, records: &[(&str, &[u8])]) -> Archive {
        self.builder.append_pax_extensions(records.iter().copied()).expect("appended");
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.builder.into_inner().expect("archive")
    }

    fn unpack(self) -> (Outcome, Result<Unpacked, Failure>) {
        unpack_bytes(&self.bytes(), &Limits::default())
    }

    fn unpacked(self) -> Outcome {
        let (outcome, result) = self.unpack();
        result.unwrap_or_else(|failure| panic!("{}", failure.message));
        outcome
    }

    /// Fails unless it is refused with this code and nothing outside of the root has changed.
    fn refused(self, code: Code) {
        let (outcome, result) = self.unpack();
        let failure = result.err().expect("refused");
        assert_eq!(failure.code, code, "{}", failure.message);
        assert_eq!(outcome.outside(), ["kept"], "something is outside");
    }
}

/// The root is a directory beside a file that no layer may touch.
struct Outcome {
    directory: TempDir,
}

impl Outcome {
    fn new() -> Outcome {
        let directory = tempfile::tempdir().expect("directory");
        fs::write(directory.path().join("kept"), "kept").expect("kept");
        fs::create_dir(directory.path().join("fs")).expect("root");
        Outcome { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("fs").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    fn stat(&self, name: &str) -> fs::Metadata {
        fs::symlink_metadata(self.path(name)).expect(name)
    }

    fn is_whiteout(&self, name: &str) -> bool {
        let stat = self.stat(name);
        stat.mode() & 0o170000 == 0o020000 && stat.rdev() == 0
    }

    fn is_opaque(&self, name: &str) -> bool {
        lgetxattr(self.path(name), "trusted.overlay.opaque", &mut [0u8; 1][..]) == Ok(1)
    }

    fn outside(&self) -> Vec<String> {
        assert_eq!(fs::read_to_string(self.directory.path().join("kept")).expect("kept"), "kept");
        let names = fs::read_dir(self.directory.path()).expect("directory");
        names.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).filter(|name| name != "fs").collect()
    }
}

fn unpack_bytes(bytes: &[u8], limits: &Limits) -> (Outcome, Result<Unpacked, Failure>) {
    let outcome = Outcome::new();
    let watch = Watch { budget: &ImageBudget::new(limits), cancel: &Cancel::default(), progress: &|_| () };
    let result = unpack(&mut &bytes[..], &outcome.path(""), &watch);
    (outcome, result)
}

fn code_of(bytes: &[u8]) -> Code {
    unpack_bytes(bytes, &Limits::default()).1.err().expect("refused").code
}
