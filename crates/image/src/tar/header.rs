//! One header block: fields at fixed places.

use super::entry::{bad_archive, Kind, Time, BLOCK};
use crate::failure::Failure;

/// What a header introduces: an entry, or an extension that is about the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    Entry(Kind),
    /// A file in the sparse format of old GNU tar.
    GnuSparse,
    GnuLongName,
    GnuLongLink,
    Pax,
    /// PAX defaults for all that follows.
    PaxGlobal,
}

pub struct Header<'a> {
    block: &'a [u8; BLOCK],
}

impl<'a> Header<'a> {
    /// None for a block of zeros, which ends an archive.
    pub fn parse(block: &'a [u8; BLOCK]) -> Result<Option<Header<'a>>, Failure> {
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Header { block };
        let said = header.number(148, 8, "checksum")?;
        if said != header.checksum() {
            return Err(bad_archive("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// The sum of all bytes, with spaces in place of the sum itself.
    fn checksum(&self) -> u64 {
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        sum(&self.block[..148]) + 8 * u64::from(b' ') + sum(&self.block[156..])
    }

    pub fn flag(&self) -> Result<Flag, Failure> {
        Ok(match self.block[156] {
            // Before ustar a directory was a file whose name ends in a slash.
            0 | b'0' if self.text(0, 100).ends_with(b"/") => Flag::Entry(Kind::Directory),
            0 | b'0' | b'7' => Flag::Entry(Kind::File),
            b'1' => Flag::Entry(Kind::HardLink),
            b'2' => Flag::Entry(Kind::Symlink),
            b'3' => Flag::Entry(Kind::CharDevice),
            b'4' => Flag::Entry(Kind::BlockDevice),
            b'5' => Flag::Entry(Kind::Directory),
            b'6' => Flag::Entry(Kind::Fifo),
            b'S' => Flag::GnuSparse,
            b'L' => Flag::GnuLongName,
            b'K' => Flag::GnuLongLink,
            b'x' => Flag::Pax,
            b'g' => Flag::PaxGlobal,
            other => return Err(bad_archive(format_args!("entries of type {:?} are not known", char::from(other)))),
        })
    }

    pub fn name(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        let prefix = self.text(345, 155);
        // GNU tar has other fields where ustar has the prefix.
        if &self.block[257..263] == b"ustar\0" && !prefix.is_empty() {
            return [prefix, b"/", name].concat();
        }
        name.to_vec()
    }

    pub fn link(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }

    pub fn mode(&self) -> Result<u32, Failure> {
        Ok((self.number(100, 8, "mode")? & 0o7777) as u32)
    }

    pub fn uid(&self) -> Result<u64, Failure> {
        self.number(108, 8, "uid")
    }

    pub fn gid(&self) -> Result<u64, Failure> {
        self.number(116, 8, "gid")
    }

    pub fn size(&self) -> Result<u64, Failure> {
        self.number(124, 12, "size")
    }

    /// The time of last change; one before 1970 can be written in base 256.
    pub fn mtime(&self) -> Result<Time, Failure> {
        let field = &self.block[136..148];
        let seconds = match field[0] {
            0xff => i64::from_be_bytes(field[4..].try_into().map_err(bad_archive)?),
            _ => i64::try_from(self.number(136, 12, "mtime")?).map_err(bad_archive)?,
        };
        Ok(Time { seconds, nanoseconds: 0 })
    }

    pub fn device(&self) -> Result<(u32, u32), Failure> {
        let major = u32::try_from(self.number(329, 8, "device")?).map_err(bad_archive)?;
        let minor = u32::try_from(self.number(337, 8, "device")?).map_err(bad_archive)?;
        Ok((major, minor))
    }

    /// The bytes before the first NUL.
    fn text(&self, at: usize, length: usize) -> &'a [u8] {
        let field = &self.block[at..at + length];
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(length);
        &field[..end]
    }

    fn number(&self, at: usize, length: usize, what: &str) -> Result<u64, Failure> {
        number(&self.block[at..at + length]).ok_or_else(|| bad_archive(format_args!("a header's {what} is no number")))
    }
}

/// Octal digits, or base 256 where the first bit is set (GNU). An empty field is 0.
pub fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x7f);
        for &byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(u64::from(byte))?;
        }
        return Some(value);
    }
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let digits = field[..end].trim_ascii();
    digits.iter().try_fold(0u64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}
