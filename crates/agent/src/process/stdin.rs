//! What a process reads: taken in by offset, in order, each byte once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::sys::termios::{tcgetattr, SpecialCharacterIndices};
use prost::bytes::{Buf, Bytes};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

const CONTROL_D: u8 = 4;

#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Bytes before this offset are missing.
    Gap,
    /// The process has closed its input, or its end was already asked for.
    Closed,
}

enum Item {
    Data(Bytes),
    End,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    /// Everything below is in the process's pipe or terminal.
    accepted: u64,
    /// Everything below is accepted or queued.
    queued: u64,
    ending: bool,
    ended: bool,
    broken: bool,
}

#[derive(Default)]
pub struct Stdin {
    state: RefCell<State>,
    filled: Notify,
    changed: Notify,
}

impl Stdin {
    pub fn accepted(&self) -> u64 {
        self.state.borrow().accepted
    }

    /// Takes bytes at the end of what is queued, whatever the offset. Answers where they end.
    pub fn append(&self, data: Bytes) -> Result<u64, Refusal> {
        let offset = self.state.borrow().queued;
        self.write_at(offset, data, false)
    }

    /// Asks for the end of input after what is queued. Asking again changes nothing.
    pub fn finish(&self) {
        let mut state = self.state.borrow_mut();
        if !state.ending && !state.broken {
            state.ending = true;
            state.queue.push_back(Item::End);
            self.filled.notify_one();
        }
    }

    /// Queues `data` at `offset`; what lies below the queue's end is a repetition and dropped. Answers where it ends.
    pub fn write_at(&self, offset: u64, mut data: Bytes, end: bool) -> Result<u64, Refusal> {
        let mut state = self.state.borrow_mut();
        if offset > state.queued {
            return Err(Refusal::Gap);
        }
        let until = offset + data.len() as u64;
        if until > state.queued {
            if state.broken || state.ending {
                return Err(Refusal::Closed);
            }
            data.advance((state.queued - offset) as usize);
            state.queued = until;
            state.queue.push_back(Item::Data(data));
            self.filled.notify_one();
        }
        drop(state);
        if end {
            self.finish();
        }
        Ok(until)
    }

    /// Waits until everything below `until` is accepted, and the end if one was asked for with it. Answers what is accepted.
    pub async fn settled(&self, until: u64, end: bool) -> Result<u64, Refusal> {
        loop {
            {
                let state = self.state.borrow();
                if state.accepted >= until && (!end || state.ended || state.broken) {
                    return Ok(state.accepted);
                }
                if state.broken {
                    return Err(Refusal::Closed);
                }
            }
            self.changed.notified().await;
        }
    }

    /// Nobody will read any more.
    pub fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.broken = true;
        state.queue.clear();
        drop(state);
        self.filled.notify_one();
        self.changed.notify_waiters();
    }

    /// Writes what comes into `target` until the end is asked for or nobody reads.
    pub async fn pump(&self, target: Rc<AsyncFd<OwnedFd>>, terminal: bool) {
        loop {
            let item = match self.next().await {
                Some(item) => item,
                None => return,
            };
            let data = match &item {
                Item::Data(data) => data.clone(),
                Item::End if terminal => Bytes::copy_from_slice(&[end_of_file_character(target.get_ref())]),
                Item::End => Bytes::new(),
            };
            let counts = matches!(item, Item::Data(_));
            if self.write(&target, data, counts).await.is_err() {
                return self.close();
            }
            if !counts {
                self.state.borrow_mut().ended = true;
                self.changed.notify_waiters();
                return;
            }
        }
    }

    async fn next(&self) -> Option<Item> {
        loop {
            {
                let mut state = self.state.borrow_mut();
                if let Some(item) = state.queue.pop_front() {
                    return Some(item);
                }
                if state.broken {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    async fn write(&self, target: &AsyncFd<OwnedFd>, mut data: Bytes, counts: bool) -> io::Result<()> {
        while data.has_remaining() {
            let mut guard = target.writable().await?;
            match guard.try_io(|target| Ok(nix::unistd::write(target.get_ref().as_fd(), &data)?)) {
                Ok(Ok(count)) => {
                    data.advance(count);
                    if counts {
                        self.state.borrow_mut().accepted += count as u64;
                        self.changed.notify_waiters();
                    }
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
        Ok(())
    }
}

fn end_of_file_character(terminal: &OwnedFd) -> u8 {
    tcgetattr(terminal).map_or(CONTROL_D, |settings| settings.control_chars[SpecialCharacterIndices::VEOF as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn queued(stdin: &Stdin) -> Vec<u8> {
        let state = stdin.state.borrow();
        state
            .queue
            .iter()
            .flat_map(|item| match item {
                Item::Data(data) => data.to_vec(),
                Item::End => b"$".to_vec(),
            })
            .collect()
    }

    #[test]
    fn repeated_bytes_are_taken_once() {
        let stdin = Stdin::default();
        assert_eq!(stdin.write_at(0, bytes("abcd"), false), Ok(4));
        assert_eq!(stdin.write_at(2, bytes("cdef"), false), Ok(6));
        assert_eq!(stdin.write_at(0, bytes("abc"), false), Ok(3));
        assert_eq!(queued(&stdin), b"abcdef");
    }

    #[test]
    fn a_gap_is_refused() {
        assert_eq!(Stdin::default().write_at(1, bytes("b"), false), Err(Refusal::Gap));
    }

    #[test]
    fn nothing_new_follows_the_end_but_repetitions_are_fine() {
        let stdin = Stdin::default();
        assert_eq!(stdin.write_at(0, bytes("ab"), true), Ok(2));
        assert_eq!(stdin.write_at(0, bytes("ab"), true), Ok(2));
        assert_eq!(stdin.append(bytes("c")), Err(Refusal::Closed));
        assert_eq!(queued(&stdin), b"ab$");
    }
}
