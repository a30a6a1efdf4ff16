//! Walks an archive entry by entry.

use super::entry::{bad_archive, Entry, Kind, BLOCK};
use super::header::{Flag, Header};
use super::pax::Pax;
use super::sparse::{checked_map, old_gnu_more, old_gnu_start, LineMap};
use crate::failure::{carries_failure, Failure};
use std::io::{self, Read};

/// The limit of what one extension header may hold.
const MAX_EXTENSION: u64 = 1 << 20;

/// Extensions of one entry, one after the other; more are an attack.
const MAX_EXTENSIONS: usize = 16;

/// Reads entries; the data of the last one is read through `Read`.
pub struct TarReader<R> {
    inner: R,
    /// Bytes of the entry's data, and of its padding, that were not read yet.
    data: u64,
    padding: u64,
    ended: bool,
}

/// What extension headers said of the entry that follows.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Pax,
}

impl<R: Read> TarReader<R> {
    pub fn new(inner: R) -> TarReader<R> {
        TarReader { inner, data: 0, padding: 0, ended: false }
    }

    /// The next entry. What was left of the one before is passed over.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Failure> {
        if self.ended {
            return Ok(None);
        }
        self.pass_over()?;
        let mut extensions = Extensions::default();
        for _ in 0..=MAX_EXTENSIONS {
            let mut block = [0u8; BLOCK];
            // An archive may also end without its two blocks of zeros.
            let header = match self.read_block_or_end(&mut block)? {
                true => Header::parse(&block)?,
                false => None,
            };
            let Some(header) = header else {
                self.ended = true;
                return Ok(None);
            };
            match header.flag()? {
                Flag::Pax => extensions.pax = Pax::parse(&self.extension(&header)?)?,
                Flag::PaxGlobal => drop(self.extension(&header)?),
                Flag::GnuLongName => extensions.name = Some(until_nul(self.extension(&header)?)),
                Flag::GnuLongLink => extensions.link = Some(until_nul(self.extension(&header)?)),
                Flag::Entry(kind) => return self.entry(&header, kind, extensions).map(Some),
                Flag::GnuSparse => return self.old_gnu_sparse(&header, &block, extensions).map(Some),
            }
        }
        Err(bad_archive("an entry has too many extension headers"))
    }

    /// What is read from; its place is that of the last entry's data.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The bytes after the end of the archive, which belong to the layer's digest.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn entry(&mut self, header: &Header, kind: Kind, extensions: Extensions) -> Result<Entry, Failure> {
        let Extensions { name, link, pax } = extensions;
        // Links, directories and devices have no data, whatever their size says.
        let data = match kind {
            Kind::File => pax.size.map_or_else(|| header.size(), Ok)?,
            _ => 0,
        };
        self.expect_data(data)?;
        let mut entry = Entry {
            kind,
            name: pax.path.or(name).unwrap_or_else(|| header.name()),
            link: match kind {
                Kind::HardLink | Kind::Symlink => pax.link.or(link).unwrap_or_else(|| header.link()),
                _ => Vec::new(),
            },
            mode: header.mode()?,
            uid: id(pax.uid.map_or_else(|| header.uid(), Ok)?)?,
            gid: id(pax.gid.map_or_else(|| header.gid(), Ok)?)?,
            mtime: pax.mtime.map_or_else(|| header.mtime(), Ok)?,
            device: match kind {
                Kind::CharDevice | Kind::BlockDevice => header.device()?,
                _ => (0, 0),
            },
            data,
            sparse: None,
            xattrs: pax.xattrs,
        };
        if kind == Kind::File {
            if let Some(size) = pax.sparse.size {
                let numbers = match pax.sparse.major {
                    0 => pax.sparse.numbers,
                    1 => self.line_map()?,
                    other => return Err(bad_archive(format_args!("sparse files of version {other} are not known"))),
                };
                entry.name = pax.sparse.name.unwrap_or(entry.name);
                entry.data = self.data;
                entry.sparse = Some(checked_map(&numbers, size, self.data)?);
            }
        }
        Ok(entry)
    }

    fn old_gnu_sparse(&mut self, header: &Header, block: &[u8; BLOCK], extensions: Extensions) -> Result<Entry, Failure> {
        let (mut numbers, mut more, size) = old_gnu_start(block)?;
        while more {
            let mut next = [0u8; BLOCK];
            self.read_block(&mut next)?;
            more = old_gnu_more(&next, &mut numbers)?;
        }
        let mut entry = self.entry(header, Kind::File, extensions)?;
        entry.sparse = Some(checked_map(&numbers, size, entry.data)?);
        Ok(entry)
    }

    /// Reads the map that stands at the start of the data.
    fn line_map(&mut self) -> Result<Vec<u64>, Failure> {
        let mut map = LineMap::default();
        loop {
            let mut block = [0u8; BLOCK];
            self.data = self.data.checked_sub(BLOCK as u64).ok_or_else(|| bad_archive("a sparse map is cut"))?;
            self.read_block(&mut block)?;
            if map.take(&block)? {
                return Ok(map.numbers().to_vec());
            }
        }
    }

    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Failure> {
        let size = header.size()?;
        if size > MAX_EXTENSION {
            return Err(bad_archive(format_args!("an extension header of {size} bytes")));
        }
        self.expect_data(size)?;
        let mut content = Vec::new();
        Read::take(&mut *self, size).read_to_end(&mut content).map_err(read_failure)?;
        self.pass_over()?;
        Ok(content)
    }

    fn expect_data(&mut self, size: u64) -> Result<(), Failure> {
        if size > i64::MAX as u64 {
            return Err(bad_archive(format_args!("an entry of {size} bytes")));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn pass_over(&mut self) -> Result<(), Failure> {
        let left = self.data + self.padding;
        let passed = io::copy(&mut (&mut self.inner).take(left), &mut io::sink()).map_err(read_failure)?;
        if passed != left {
            return Err(bad_archive("it ends in the middle of an entry"));
        }
        (self.data, self.padding) = (0, 0);
        Ok(())
    }

    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), Failure> {
        self.inner.read_exact(block).map_err(read_failure)
    }

    fn read_block_or_end(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Failure> {
        let got = self.inner.read(block).map_err(read_failure)?;
        if got > 0 {
            self.inner.read_exact(&mut block[got..]).map_err(read_failure)?;
        }
        Ok(got > 0)
    }
}

/// The data of the entry, to its end.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.data).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.inner.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.data -= got as u64;
        Ok(got)
    }
}

/// An error while an archive is read: the source's own failure, or that of what decodes it, which means a broken image.
pub fn read_failure(error: io::Error) -> Failure {
    match error.kind() {
        _ if carries_failure(&error) => Failure::io("", &error),
        io::ErrorKind::UnexpectedEof => bad_archive("it ends in the middle"),
        _ => bad_archive(error),
    }
}

fn id(number: u64) -> Result<u32, Failure> {
    u32::try_from(number).ok().filter(|&id| id != u32::MAX).ok_or_else(|| bad_archive(format_args!("an owner {number}")))
}

fn until_nul(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    text.truncate(end);
    text
}
