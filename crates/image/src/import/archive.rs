//! An archive as files: where each one's bytes are.

use super::files::Opened;
use crate::counted::Counted;
use crate::failure::{Code, Failure, OrFail};
use crate::store::Store;
use crate::tar::entry::{shown, Kind};
use crate::tar::reader::TarReader;
use crate::unpack::decode::Decoder;
use crate::unpack::name::parts;
use rustix::fs::{openat, Mode, OFlags, CWD};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Archives of images have few files; one of a root file system is not looked through further than this.
const MAX_FILES: usize = 20_000;

/// Links of links in an archive.
const MAX_LINKS: usize = 8;

enum Member {
    File { at: u64, size: u64 },
    Link(Vec<u8>),
}

pub struct ArchiveFiles {
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

impl ArchiveFiles {
    /// Looks through an archive that is not packed.
    pub fn index(file: Arc<File>) -> Result<ArchiveFiles, Failure> {
        let mut members = HashMap::new();
        let start = At { file: file.clone(), at: 0, end: u64::MAX };
        let mut reader = TarReader::new(Counted::new(BufReader::new(start)));
        while let Some(entry) = reader.next_entry()? {
            let name = parts(&entry.name)?.join(&b'/');
            let member = match entry.kind {
                Kind::File if entry.sparse.is_none() => Member::File { at: reader.get_ref().count(), size: entry.data },
                Kind::HardLink => Member::Link(parts(&entry.link)?.join(&b'/')),
                Kind::Symlink => Member::Link(target(&name, &entry.link)),
                _ => continue,
            };
            members.insert(name, member);
            if members.len() > MAX_FILES {
                break;
            }
        }
        Ok(ArchiveFiles { file, members })
    }

    pub fn open(&self, name: &str) -> Result<Option<Opened>, Failure> {
        let mut name = parts(name.as_bytes())?.join(&b'/');
        for _ in 0..MAX_LINKS {
            match self.members.get(&name) {
                None => return Ok(None),
                Some(Member::Link(target)) => name.clone_from(target),
                Some(&Member::File { at, size }) => {
                    let content = At { file: self.file.clone(), at, end: at + size };
                    return Ok(Some(Opened { size, content: Box::new(content) }));
                }
            }
        }
        Err(Failure::bad_image(format_args!("{} is a link of too many links", shown(&name))))
    }

    /// The whole archive, from its start.
    pub fn whole(&self) -> impl Read + Send {
        At { file: self.file.clone(), at: 0, end: u64::MAX }
    }
}

/// The name that a symbolic link means. One that leads out of the archive names nothing in it.
fn target(link: &[u8], target: &[u8]) -> Vec<u8> {
    let mut named: Vec<&[u8]> = match target.starts_with(b"/") {
        true => Vec::new(),
        false => link.split(|&byte| byte == b'/').collect(),
    };
    named.pop();
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(named.pop()),
            part => named.push(part),
        }
    }
    named.join(&b'/')
}

/// Opens an archive; a packed one is unpacked to a file without a name, of at most `limit` bytes.
pub fn open_archive(path: &Path, store: &Store, limit: u64) -> Result<Arc<File>, Failure> {
    let what = || path.display().to_string();
    let mut file = File::open(path).or_fail(what())?;
    let mut decoder = Decoder::new(&file)?;
    if matches!(decoder, Decoder::Plain(_)) {
        file.rewind().or_fail(what())?;
        return Ok(Arc::new(file));
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let plain = openat(CWD, store.work(""), flags, Mode::from_raw_mode(0o600)).or_fail("work")?;
    let mut plain = File::from(plain);
    let size = io::copy(&mut (&mut decoder).take(limit + 1), &mut plain).or_fail(what())?;
    match size > limit {
        true => Err(Failure::new(Code::TooLarge, format_args!("{} unpacks to more than {limit} bytes", what()))),
        false => Ok(Arc::new(plain)),
    }
}

/// Reads a part of a file, whatever others read of it.
struct At {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        // The failure is the file's, not that of what reads an archive out of it.
        let got = self.file.read_at(&mut buffer[..want], self.at).or_fail("read the archive").map_err(Failure::into_io)?;
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_link_is_taken_from_where_it_is_and_stays_inside() {
        assert_eq!(target(b"a/layer.tar", b"../b/layer.tar"), b"b/layer.tar");
        assert_eq!(target(b"a/layer.tar", b"/b/layer.tar"), b"b/layer.tar");
        assert_eq!(target(b"a/layer.tar", b"../../../etc/passwd"), b"etc/passwd");
    }
}
