//! The guest's side of the link as a pure machine: bytes in, steps out.
//!
//! ```text
//!   Idle(BOOT) --HELLO--> Agreed(next) --GO--> Live(next)
//!                  ^         |  ^                 |
//!                  '--HELLO--'  '-----HELLO-------'
//! ```
//!
//! While live, bytes at the end of the input that may begin a HELLO are held back: they must not complete a frame that
//! the host left half-written before it died. Held bytes that no HELLO follows are let go after `hold_for`.

use std::time::Duration;

use super::search::{find, Block, Found, Token, KIND_ACK, TOKEN, VERSION};

/// The token of a guest that has never been greeted.
pub const BOOT: Token = *b"vivarium-boot-00";

/// A short beginning of the token is common by chance (1 in 256 a byte), a longer one is not.
const CHANCE_MATCH: usize = 3;
const HOLD_CHANCE: Duration = Duration::from_millis(2);
const HOLD_LIKELY: Duration = Duration::from_millis(100);

#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Drop what is half read, half written or not yet written, then write this ACK and nothing else before `Go`.
    Hello { ack: Vec<u8> },
    /// Frames start, in both directions.
    Go,
    /// Bytes of frames.
    Bytes(&'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Agreed,
    Live,
}

pub struct Link {
    state: State,
    token: Token,
    instance: Token,
    held: Vec<u8>,
}

impl Link {
    /// `instance`: 128 random bits that name this agent process.
    pub fn new(instance: Token) -> Link {
        Link { state: State::Idle, token: BOOT, instance, held: Vec::new() }
    }

    /// How long the held bytes may wait for more before `release`; None when nothing is held.
    pub fn hold_for(&self) -> Option<Duration> {
        match self.held.len() {
            _ if self.state != State::Live => None,
            0 => None,
            length if length <= CHANCE_MATCH => Some(HOLD_CHANCE),
            _ => Some(HOLD_LIKELY),
        }
    }

    /// Gives up the held bytes as bytes of frames.
    pub fn release(&mut self, sink: &mut impl FnMut(Step<'_>)) {
        let held = std::mem::take(&mut self.held);
        if self.state == State::Live && !held.is_empty() {
            sink(Step::Bytes(&held));
        }
    }

    /// Takes in what the host sent.
    pub fn feed(&mut self, input: &[u8], sink: &mut impl FnMut(Step<'_>)) {
        if self.held.is_empty() {
            let kept = self.scan(input, sink);
            self.held.extend_from_slice(&input[kept..]);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(input);
            let kept = self.scan(&joined, sink);
            joined.drain(..kept);
            self.held = joined;
        }
    }

    /// Answers where the bytes begin that have to be kept.
    fn scan(&mut self, input: &[u8], sink: &mut impl FnMut(Step<'_>)) -> usize {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match find(rest, &self.token, self.state == State::Agreed) {
                // What precedes the block is the past of a connection that is gone: it is not worth a frame.
                Found::Block { end, block } => {
                    at += end;
                    self.take(block, sink);
                }
                Found::Partial { start } => {
                    self.pass(&rest[..start], sink);
                    return at + start;
                }
                Found::Nothing => {
                    self.pass(rest, sink);
                    return input.len();
                }
            }
        }
    }

    fn pass(&self, bytes: &[u8], sink: &mut impl FnMut(Step<'_>)) {
        if self.state == State::Live && !bytes.is_empty() {
            sink(Step::Bytes(bytes));
        }
    }

    fn take(&mut self, block: Block, sink: &mut impl FnMut(Step<'_>)) {
        match block {
            Block::Hello { next } => {
                self.token = next;
                self.state = State::Agreed;
                sink(Step::Hello { ack: self.ack() });
            }
            Block::Go => {
                self.state = State::Live;
                sink(Step::Go);
            }
        }
    }

    fn ack(&self) -> Vec<u8> {
        let mut ack = Vec::with_capacity(2 * TOKEN + 2);
        ack.extend(self.token);
        ack.extend([KIND_ACK, VERSION]);
        ack.extend(self.instance);
        ack
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
