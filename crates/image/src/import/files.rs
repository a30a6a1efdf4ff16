//! Named files of what is imported: of a directory, or of an archive.

use super::archive::ArchiveFiles;
use crate::digest::{Digest, HashingReader};
use crate::failure::{Code, Failure, OrFail};
use crate::unpack::name::parts;
use rustix::fs::{openat2, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// A file that is open to be read: its bytes and their number.
pub struct Opened {
    pub size: u64,
    pub content: Box<dyn Read + Send>,
}

pub enum Files {
    Directory(File),
    Archive(ArchiveFiles),
}

impl Files {
    pub fn of_directory(path: &Path) -> Result<Files, Failure> {
        File::open(path).or_fail(path.display()).map(Files::Directory)
    }

    /// Opens a regular file; None when there is none of that name. Links that lead out of the directory are refused.
    pub fn open(&self, name: &str) -> Result<Option<Opened>, Failure> {
        match self {
            Files::Archive(archive) => archive.open(name),
            Files::Directory(directory) => {
                let path = parts(name.as_bytes())?.join(&b'/');
                // A pipe must not stop who looks at it.
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                match openat2(directory, path.as_slice(), flags, Mode::empty(), resolve) {
                    Ok(file) => regular(File::from(file), name).map(Some),
                    Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
                    Err(Errno::XDEV | Errno::LOOP) => Err(Failure::bad_image(format_args!("{name} leads out of the directory"))),
                    Err(errno) => Err(Failure::io(name, &errno.into())),
                }
            }
        }
    }

    /// Reads a small file whole.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let Some(opened) = self.open(name)? else { return Ok(None) };
        if opened.size > limit {
            return Err(Failure::new(Code::TooLarge, format_args!("{name} has {} bytes; {limit} may be", opened.size)));
        }
        let mut bytes = Vec::new();
        opened.content.take(limit).read_to_end(&mut bytes).or_fail(name)?;
        Ok(Some(bytes))
    }

    /// Reads a small blob of an OCI layout and verifies it.
    pub fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, Failure> {
        let name = blob_name(digest);
        let bytes = self.read(&name, limit)?.ok_or_else(|| missing(&name))?;
        digest.check(&name, &Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Opens a large one, to be verified when it was read.
    pub fn open_blob(&self, digest: &Digest) -> Result<HashingReader<Box<dyn Read + Send>>, Failure> {
        let name = blob_name(digest);
        Ok(HashingReader::new(self.open(&name)?.ok_or_else(|| missing(&name))?.content))
    }
}

fn regular(file: File, name: &str) -> Result<Opened, Failure> {
    let metadata = file.metadata().or_fail(name)?;
    match metadata.is_file() {
        true => Ok(Opened { size: metadata.len(), content: Box::new(BufReader::new(file)) }),
        false => Err(Failure::bad_image(format_args!("{name} is no file"))),
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

pub fn missing(name: &str) -> Failure {
    Failure::bad_image(format_args!("{name} is missing"))
}
