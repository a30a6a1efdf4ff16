//! Maps of sparse files, in the formats of GNU tar (GNU tar manual, "Storing Sparse Files").

use super::entry::{bad_archive, SparseMap, BLOCK};
use super::header::number;
use crate::failure::Failure;

/// More parts than this are not read into memory.
pub const MAX_PARTS: usize = 1 << 20;

const FIELD: usize = 12;

/// Checks a map made of offset, length, offset, length… against the bytes of data that the archive has.
pub fn checked_map(numbers: &[u64], size: u64, data: u64) -> Result<SparseMap, Failure> {
    if !numbers.len().is_multiple_of(2) {
        return Err(bad_archive("a sparse map is cut"));
    }
    let mut parts = Vec::with_capacity(numbers.len() / 2);
    let (mut end, mut total) = (0u64, 0u64);
    for pair in numbers.chunks_exact(2) {
        let (offset, length) = (pair[0], pair[1]);
        let after = offset.checked_add(length).filter(|&after| offset >= end && after <= size);
        end = after.ok_or_else(|| bad_archive("a sparse map is out of order or leaves the file"))?;
        total += length;
        if length > 0 {
            parts.push((offset, length));
        }
    }
    if total != data {
        return Err(bad_archive(format_args!("a sparse map tells of {total} bytes, its entry has {data}")));
    }
    Ok(SparseMap { size, parts })
}

/// The start of an old GNU sparse file's map, in its header: numbers, whether blocks of the map follow, and the file's size.
pub fn old_gnu_start(block: &[u8; BLOCK]) -> Result<(Vec<u64>, bool, u64), Failure> {
    let mut numbers = Vec::new();
    fields(&block[386..482], &mut numbers)?;
    let size = number(&block[483..495]).ok_or_else(|| bad_archive("a sparse file's size is no number"))?;
    Ok((numbers, block[482] != 0, size))
}

/// A further block of such a map; true when one more follows.
pub fn old_gnu_more(block: &[u8; BLOCK], numbers: &mut Vec<u64>) -> Result<bool, Failure> {
    fields(&block[..504], numbers)?;
    if numbers.len() > 2 * MAX_PARTS {
        return Err(bad_archive("a sparse map has too many parts"));
    }
    Ok(block[504] != 0)
}

/// Pairs of fields; an empty one ends them.
fn fields(bytes: &[u8], numbers: &mut Vec<u64>) -> Result<(), Failure> {
    for pair in bytes.chunks_exact(2 * FIELD) {
        if pair[0] == 0 {
            break;
        }
        for field in pair.chunks_exact(FIELD) {
            numbers.push(number(field).ok_or_else(|| bad_archive("a sparse map has what is no number"))?);
        }
    }
    Ok(())
}

/// The map of PAX format 1.0, which stands before the data: decimal lines, first their number of pairs.
#[derive(Default)]
pub struct LineMap {
    numbers: Vec<u64>,
    digits: u64,
    has_digits: bool,
}

impl LineMap {
    /// Takes a block; true when the map is complete (what is left of the block is padding).
    pub fn take(&mut self, block: &[u8; BLOCK]) -> Result<bool, Failure> {
        for &byte in block {
            match byte {
                b'0'..=b'9' => {
                    let more = self.digits.checked_mul(10).and_then(|digits| digits.checked_add(u64::from(byte - b'0')));
                    self.digits = more.ok_or_else(|| bad_archive("a sparse map's number is too large"))?;
                    self.has_digits = true;
                }
                b'\n' if self.has_digits => {
                    self.numbers.push(std::mem::take(&mut self.digits));
                    self.has_digits = false;
                }
                _ => return Err(bad_archive("a sparse map has what is no number")),
            }
            if self.is_complete()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_complete(&self) -> Result<bool, Failure> {
        match self.numbers.first() {
            Some(&pairs) if pairs > MAX_PARTS as u64 => Err(bad_archive("a sparse map has too many parts")),
            Some(&pairs) => Ok(self.numbers.len() as u64 == 1 + 2 * pairs),
            None => Ok(false),
        }
    }

    /// Offset, length, offset, length…
    pub fn numbers(&self) -> &[u64] {
        &self.numbers[1..]
    }
}
