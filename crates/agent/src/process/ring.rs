//! A bounded buffer of bytes with offsets: it keeps what was written and not yet acknowledged.

use std::io::{self, IoSliceMut};

const FIRST_CAPACITY: usize = 4096;

/// Bytes `acked..written` of a stream. Its memory grows with what it holds, by doubling, up to the limit.
pub struct Ring {
    buffer: Vec<u8>,
    limit: usize,
    acked: u64,
    written: u64,
}

impl Ring {
    /// `limit`: a power of two.
    pub fn new(limit: usize) -> Ring {
        Ring { buffer: Vec::new(), limit, acked: 0, written: 0 }
    }

    pub fn acked(&self) -> u64 {
        self.acked
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    fn len(&self) -> usize {
        (self.written - self.acked) as usize
    }

    pub fn is_full(&self) -> bool {
        self.len() == self.limit
    }

    /// Frees what is below `offset`. Offsets only grow: a lower one changes nothing, one beyond what was written is refused.
    pub fn ack(&mut self, offset: u64) -> Result<(), OutOfRange> {
        if offset > self.written {
            return Err(OutOfRange);
        }
        self.acked = self.acked.max(offset);
        Ok(())
    }

    /// Frees the memory. What was not acknowledged is lost.
    pub fn discard(&mut self) {
        self.acked = self.written;
        self.buffer = Vec::new();
    }

    /// Lets `read` fill free space, and counts what it says that it wrote there. Must not be full.
    pub fn fill(&mut self, read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>) -> io::Result<usize> {
        self.grow();
        let capacity = self.buffer.len();
        let start = (self.written % capacity as u64) as usize;
        let free = capacity - self.len();
        let first = free.min(capacity - start);
        let (low, high) = self.buffer.split_at_mut(start);
        let mut slices = [IoSliceMut::new(&mut high[..first]), IoSliceMut::new(&mut low[..free - first])];
        let count = read(&mut slices)?.min(free);
        self.written += count as u64;
        Ok(count)
    }

    /// Doubles the memory when it is full; keeps every byte at `offset % capacity`.
    fn grow(&mut self) {
        let capacity = self.buffer.len();
        if self.len() < capacity || capacity == self.limit {
            return;
        }
        let larger = (capacity * 2).clamp(FIRST_CAPACITY.min(self.limit), self.limit);
        let mut buffer = vec![0; larger];
        let mut at = self.acked;
        while at < self.written {
            let piece = self.contiguous(at, usize::MAX);
            let to = (at % larger as u64) as usize;
            let count = piece.len().min(larger - to);
            buffer[to..to + count].copy_from_slice(&piece[..count]);
            at += count as u64;
        }
        self.buffer = buffer;
    }

    /// The bytes from `offset` on, as far as they lie in one piece and `most` allows. `offset` must be within what is held.
    fn contiguous(&self, offset: u64, most: usize) -> &[u8] {
        let capacity = self.buffer.len();
        if capacity == 0 {
            return &[];
        }
        let start = (offset % capacity as u64) as usize;
        let length = ((self.written - offset) as usize).min(capacity - start).min(most);
        &self.buffer[start..start + length]
    }

    /// Appends up to `most` bytes from `offset` on to `out`.
    pub fn copy(&self, offset: u64, most: usize, out: &mut Vec<u8>) -> Result<usize, OutOfRange> {
        if offset < self.acked || offset > self.written {
            return Err(OutOfRange);
        }
        let first = self.contiguous(offset, most);
        out.extend_from_slice(first);
        let second = self.contiguous(offset + first.len() as u64, most - first.len());
        out.extend_from_slice(second);
        Ok(first.len() + second.len())
    }
}

/// An offset that is below what is kept, or above what was written.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfRange;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ring: &mut Ring, bytes: &[u8]) -> usize {
        ring.fill(|slices| {
            let mut count = 0;
            for slice in slices {
                let take = slice.len().min(bytes.len() - count);
                slice[..take].copy_from_slice(&bytes[count..count + take]);
                count += take;
            }
            Ok(count)
        })
        .unwrap()
    }

    fn read(ring: &Ring, offset: u64, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        ring.copy(offset, most, &mut out).unwrap();
        out
    }

    #[test]
    fn bytes_are_kept_until_they_are_acknowledged() {
        let mut ring = Ring::new(8);
        assert_eq!(write(&mut ring, b"abcdefghij"), 8);
        assert!(ring.is_full());
        assert_eq!(read(&ring, 2, 3), b"cde");
        ring.ack(5).unwrap();
        assert_eq!(write(&mut ring, b"XYZ!"), 4);
        assert_eq!(read(&ring, 5, 100), b"fghXYZ!");
        assert_eq!((ring.acked(), ring.written()), (5, 12));
    }

    #[test]
    fn offsets_outside_of_what_is_kept_are_refused() {
        let mut ring = Ring::new(8);
        write(&mut ring, b"abcd");
        ring.ack(2).unwrap();
        let mut out = Vec::new();
        assert_eq!(ring.copy(1, 1, &mut out), Err(OutOfRange));
        assert_eq!(ring.copy(5, 1, &mut out), Err(OutOfRange));
        assert_eq!(ring.copy(4, 1, &mut out), Ok(0));
        assert_eq!(ring.ack(5), Err(OutOfRange));
        assert_eq!((ring.ack(1), ring.acked()), (Ok(()), 2), "a lower acknowledgement changes nothing");
    }

    #[test]
    fn growing_keeps_every_byte_at_its_offset() {
        let mut ring = Ring::new(64 * 1024);
        let bytes: Vec<u8> = (0..60_000u32).map(|i| (i % 251) as u8).collect();
        let mut sent = 0;
        while sent < 3000 {
            sent += write(&mut ring, &bytes[sent..sent + 1000]);
        }
        ring.ack(2900).unwrap();
        while sent < bytes.len() {
            sent += write(&mut ring, &bytes[sent..(sent + 1777).min(bytes.len())]);
        }
        assert_eq!(read(&ring, 2900, usize::MAX), &bytes[2900..]);
    }

    #[test]
    fn memory_follows_what_is_held() {
        let mut ring = Ring::new(1 << 20);
        assert_eq!(ring.buffer.len(), 0);
        write(&mut ring, b"little");
        assert_eq!(ring.buffer.len(), FIRST_CAPACITY);
        ring.discard();
        assert_eq!((ring.buffer.len(), ring.acked()), (0, 6));
    }
}
