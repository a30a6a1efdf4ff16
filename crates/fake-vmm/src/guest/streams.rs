//! The bytes of a process: output kept until it is acknowledged, input taken by offset.

use std::collections::VecDeque;

/// Bytes kept of one output stream; when they are there, the process waits.
const KEPT: usize = 1 << 20;
/// Bytes that a program's input holds before a write has to wait: a pipe's.
const PIPE: usize = 64 << 10;

#[derive(Default)]
pub struct Output {
    acked: u64,
    kept: VecDeque<u8>,
}

impl Output {
    pub fn acked(&self) -> u64 {
        self.acked
    }

    pub fn written(&self) -> u64 {
        self.acked + self.kept.len() as u64
    }

    pub fn room(&self) -> usize {
        KEPT - self.kept.len()
    }

    /// Takes at most `room` bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
    }

    /// Frees what is below the offset; `false` when it is above what was written. Lower ones change nothing.
    pub fn ack(&mut self, offset: u64) -> bool {
        if offset > self.written() {
            return false;
        }
        let freed = offset.saturating_sub(self.acked);
        self.kept.drain(..freed as usize);
        self.acked += freed;
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
        true
    }

    /// Bytes from an offset that is neither below what is kept nor above what was written.
    pub fn copy(&self, offset: u64, most: usize) -> Vec<u8> {
        let from = (offset - self.acked) as usize;
        let until = self.kept.len().min(from.saturating_add(most));
        let (front, back) = self.kept.as_slices();
        // Slices, not an iterator: this is what megabytes go through.
        let part = |slice: &[u8], start: usize| -> std::ops::Range<usize> { from.saturating_sub(start).min(slice.len())..until.saturating_sub(start).min(slice.len()) };
        [&front[part(front, 0)], &back[part(back, front.len())]].concat()
    }

    pub fn has(&self, offset: u64) -> bool {
        (self.acked..=self.written()).contains(&offset)
    }
}

/// A write that has not gone into the pipe whole. `call` is gone after a resync: the bytes are taken, nobody is told.
pub struct Write {
    pub call: Option<u32>,
    data: VecDeque<u8>,
    eof: bool,
    /// The answer of the offset protocol; the kata protocol answers a length.
    pub by_offset: bool,
    length: usize,
}

pub enum Refusal {
    Gap,
    Closed,
}

#[derive(Default)]
pub struct Input {
    accepted: u64,
    queued: u64,
    closing: bool,
    closed: bool,
    pipe: VecDeque<u8>,
    writes: VecDeque<Write>,
}

/// A write that is done: who asked, how, what is accepted, how long it was.
pub struct Done {
    pub call: Option<u32>,
    pub by_offset: bool,
    pub accepted: u64,
    pub length: usize,
}

impl Input {
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Queues bytes at an offset, or after all others without one. Repeated bytes are dropped.
    pub fn write(&mut self, call: u32, offset: Option<u64>, data: &[u8], eof: bool) -> Result<(), Refusal> {
        let start = offset.unwrap_or(self.queued);
        if start > self.queued {
            return Err(Refusal::Gap);
        }
        let repeated = ((self.queued - start) as usize).min(data.len());
        let fresh = &data[repeated..];
        if self.closing && !fresh.is_empty() {
            return Err(Refusal::Closed);
        }
        self.queued += fresh.len() as u64;
        self.closing |= eof;
        let fresh = fresh.iter().copied().collect();
        self.writes.push_back(Write { call: Some(call), data: fresh, eof, by_offset: offset.is_some(), length: data.len() });
        Ok(())
    }

    pub fn close(&mut self) {
        self.closing = true;
        self.closed |= self.writes.is_empty();
        if let Some(last) = self.writes.back_mut() {
            last.eof = true;
        }
    }

    /// Moves queued bytes into the pipe: the writes that are done with that.
    pub fn settle(&mut self) -> Vec<Done> {
        let mut done = Vec::new();
        while let Some(write) = self.writes.front_mut() {
            let count = write.data.len().min(PIPE - self.pipe.len());
            self.pipe.extend(write.data.drain(..count));
            self.accepted += count as u64;
            if !write.data.is_empty() {
                break;
            }
            self.closed |= write.eof;
            done.push(Done { call: write.call, by_offset: write.by_offset, accepted: self.accepted, length: write.length });
            self.writes.pop_front();
        }
        done
    }

    /// Nobody reads any more: the calls that will never be done.
    pub fn abandon(&mut self) -> Vec<u32> {
        self.closing = true;
        self.closed = true;
        self.pipe = VecDeque::new();
        self.writes.drain(..).filter_map(|write| write.call).collect()
    }

    pub fn forget_calls(&mut self) {
        self.writes.iter_mut().for_each(|write| write.call = None);
    }

    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.pipe.len());
        self.pipe.drain(..count).collect()
    }

    /// A whole line, or what is left at the end.
    pub fn take_line(&mut self) -> Option<Vec<u8>> {
        match self.pipe.iter().position(|byte| *byte == b'\n') {
            Some(end) => Some(self.take(end + 1)),
            None if self.at_end() || self.pipe.is_empty() => None,
            None if self.closed => Some(self.take(usize::MAX)),
            None => None,
        }
    }

    /// Closed, and everything read.
    pub fn at_end(&self) -> bool {
        self.closed && self.pipe.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, Output};

    #[test]
    fn output_is_kept_until_acknowledged() {
        let mut output = Output::default();
        output.push(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(output.ack(4) && output.ack(2) && !output.ack(11));
        assert_eq!((output.acked(), output.written(), output.copy(6, 3)), (4, 10, vec![6, 7, 8]));
        assert!(!output.has(3) && output.has(4) && output.has(10) && !output.has(11));
    }

    #[test]
    fn input_takes_each_byte_once_and_in_order() {
        let mut input = Input::default();
        assert!(input.write(1, Some(0), b"abc", false).is_ok());
        assert!(input.write(3, Some(1), b"bcdef", true).is_ok());
        assert!(input.write(5, Some(9), b"x", false).is_err(), "a gap");
        assert!(input.write(7, Some(0), b"abcdef", true).is_ok(), "a repetition after the end");
        assert!(input.write(9, None, b"x", false).is_err(), "more after the end");
        let done: Vec<(u64, usize)> = input.settle().iter().map(|done| (done.accepted, done.length)).collect();
        assert_eq!(done, [(3, 3), (6, 5), (6, 6)]);
        assert_eq!(input.take(100), b"abcdef");
        assert!(input.at_end());
    }

    #[test]
    fn a_write_larger_than_the_pipe_waits_for_the_reader() {
        let mut input = Input::default();
        assert!(input.write(1, Some(0), &[b'x'; 100_000], false).is_ok());
        assert!(input.settle().is_empty());
        assert_eq!(input.take(usize::MAX).len(), 65_536);
        assert_eq!(input.settle().len(), 1);
    }
}
