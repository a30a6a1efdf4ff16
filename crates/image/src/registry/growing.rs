//! A blob that is written by one and read by another at the same time, through a file that outlives both.

use crate::digest::Hasher;
use crate::failure::{Failure, OrFail};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

const CHUNK: usize = 256 << 10;

pub struct Growing {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    written: u64,
    /// How often what was written turned out to be wrong and was thrown away.
    generation: u32,
    end: Option<Result<(), Failure>>,
}

/// How a generation came to its end.
pub enum Settled {
    Replaced,
    Ended(Result<(), Failure>),
}

impl Growing {
    /// Takes what is there from before; `hasher` gets to know it.
    pub fn resume(file: File, size: u64, hasher: &mut Hasher) -> Result<Growing, Failure> {
        let mut written = file.metadata().or_fail("partial blob")?.len();
        if written > size {
            file.set_len(0).or_fail("partial blob")?;
            written = 0;
        }
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        while at < written {
            let got = file.read_at(&mut buffer, at).or_fail("partial blob")?;
            hasher.update(&buffer[..got]);
            at += got as u64;
        }
        let state = Mutex::new(State { written, ..State::default() });
        Ok(Growing { file, state, changed: Condvar::new() })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn written(&self) -> u64 {
        self.state().written
    }

    pub fn append(&self, bytes: &[u8]) -> Result<(), Failure> {
        let at = self.written();
        self.file.write_all_at(bytes, at).or_fail("write a blob")?;
        self.state().written = at + bytes.len() as u64;
        self.changed.notify_all();
        Ok(())
    }

    /// Throws away what was written. Readers of it are told.
    pub fn start_over(&self) -> Result<(), Failure> {
        let mut state = self.state();
        state.written = 0;
        state.generation += 1;
        self.changed.notify_all();
        self.file.set_len(0).or_fail("partial blob")
    }

    /// Nothing more will be written. The first end counts.
    pub fn end(&self, result: Result<(), Failure>) {
        self.state().end.get_or_insert(result);
        self.changed.notify_all();
    }

    /// Waits until nothing more can come of a generation.
    pub fn settled(&self, generation: u32) -> Settled {
        let is_open = |state: &mut State| state.generation == generation && state.end.is_none();
        let state = self.changed.wait_while(self.state(), is_open).unwrap_or_else(PoisonError::into_inner);
        match &state.end {
            Some(end) if state.generation == generation => Settled::Ended(end.clone()),
            _ => Settled::Replaced,
        }
    }

    pub fn reader(self: &Arc<Growing>) -> GrowingReader {
        GrowingReader { generation: self.state().generation, growing: self.clone(), at: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads from the start, waiting for more until the end.
pub struct GrowingReader {
    growing: Arc<Growing>,
    generation: u32,
    at: u64,
}

impl GrowingReader {
    pub fn generation(&self) -> u32 {
        self.generation
    }
}

impl Read for GrowingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_early = |state: &mut State| state.generation == self.generation && state.written <= self.at && state.end.is_none();
        let state = self.growing.changed.wait_while(self.growing.state(), is_early).unwrap_or_else(PoisonError::into_inner);
        if state.generation != self.generation {
            return Err(Failure::bad_image("what came first was wrong").into_io());
        }
        let there = state.written - self.at;
        if there == 0 {
            return match &state.end {
                Some(Err(failure)) => Err(failure.clone().into_io()),
                _ => Ok(0),
            };
        }
        drop(state);
        let want = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.growing.file.read_at(&mut buffer[..want], self.at);
        let got = read.or_fail("read a blob").map_err(Failure::into_io)?;
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    fn growing(content: &[u8]) -> Arc<Growing> {
        let file = tempfile::tempfile().expect("file");
        file.write_all_at(content, 0).expect("written");
        Arc::new(Growing::resume(file, 100, &mut Hasher::default()).expect("resumed"))
    }

    #[test]
    fn a_reader_gets_what_was_there_and_what_comes() {
        let growing = growing(b"old ");
        let mut reader = growing.reader();
        let read = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        growing.append(b"new").expect("appended");
        growing.end(Ok(()));
        assert_eq!(read.join().expect("thread").expect("read"), "old new");
    }

    #[test]
    fn a_reader_is_told_that_it_must_start_over() {
        let growing = growing(b"wrong");
        let mut reader = growing.reader();
        reader.read_exact(&mut [0; 2]).expect("read");
        growing.start_over().expect("started over");
        assert!(reader.read(&mut [0; 2]).is_err());
        assert!(matches!(growing.settled(reader.generation()), Settled::Replaced));
    }

    #[test]
    fn a_failure_reaches_the_reader_with_its_code() {
        let growing = growing(b"");
        growing.end(Err(Failure::new(Code::Stalled, "no byte")));
        let error = growing.reader().read(&mut [0; 2]).expect_err("failed");
        assert_eq!(Failure::io("", &error).code, Code::Stalled);
    }

    #[test]
    fn more_than_there_should_be_is_thrown_away() {
        let growing = growing(&[0; 101]);
        assert_eq!(growing.written(), 0);
    }
}
