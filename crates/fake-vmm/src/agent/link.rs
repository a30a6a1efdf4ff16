//! The guest's side of docs/protocols/agent-link.md.

use std::time::Duration;

const TOKEN: usize = 16;
/// `current` kind version `next`.
const HELLO: usize = TOKEN + 2 + TOKEN;
const KIND_HELLO: u8 = 1;
const KIND_ACK: u8 = 2;
const KIND_GO: u8 = 3;
const VERSION: u8 = 1;

/// Bytes that may be the beginning of a HELLO are kept back so long at most; then they are bytes of a frame.
pub const HOLD: Duration = Duration::from_millis(5);

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All that is half done is dropped; this ACK is the next thing to send.
    Hello(Vec<u8>),
    Go,
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    Agreed,
    Live,
}

pub struct Link {
    state: State,
    token: [u8; TOKEN],
    instance: [u8; TOKEN],
    held: Vec<u8>,
}

enum Match {
    /// Begins and ends here.
    Whole(usize, usize),
    /// May begin here; more bytes are needed.
    Partial(usize),
}

impl Link {
    pub fn new(instance: [u8; TOKEN]) -> Link {
        Link { state: State::Unknown, token: *b"vivarium-boot-00", instance, held: Vec::new() }
    }

    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    pub fn holds(&self) -> bool {
        self.state == State::Live && !self.held.is_empty()
    }

    /// After `HOLD` without more input: what was held is nothing but bytes.
    pub fn release(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    pub fn feed(&mut self, input: &[u8]) -> Vec<Step> {
        let mut rest = std::mem::take(&mut self.held);
        rest.extend_from_slice(input);
        let mut steps = Vec::new();
        loop {
            match self.search(&rest) {
                Some(Match::Whole(start, end)) => {
                    steps.push(self.take_block(&rest[start + TOKEN..end]));
                    rest.drain(..end);
                }
                Some(Match::Partial(start)) => {
                    self.held = rest.split_off(start);
                    break;
                }
                None => break,
            }
        }
        if self.state == State::Live && !rest.is_empty() {
            steps.push(Step::Bytes(rest));
        }
        steps
    }

    /// `block` is what follows the token.
    fn take_block(&mut self, block: &[u8]) -> Step {
        if block[0] == KIND_GO {
            self.state = State::Live;
            return Step::Go;
        }
        self.token.copy_from_slice(&block[2..]);
        self.state = State::Agreed;
        Step::Hello([&self.token[..], &[KIND_ACK, VERSION], &self.instance].concat())
    }

    /// The first place where a block is, or where the input ends in what may become one.
    fn search(&self, input: &[u8]) -> Option<Match> {
        let mut from = 0;
        while let Some(found) = input[from..].iter().position(|byte| *byte == self.token[0]) {
            let start = from + found;
            match self.block_length(&input[start..]) {
                Some(length) if input.len() - start >= length => return Some(Match::Whole(start, start + length)),
                Some(_) => return Some(Match::Partial(start)),
                None => from = start + 1,
            }
        }
        None
    }

    /// How long a block that begins here is (or would be); `None` when none does.
    fn block_length(&self, input: &[u8]) -> Option<usize> {
        let seen = input.len().min(TOKEN);
        if input[..seen] != self.token[..seen] {
            return None;
        }
        match (input.get(TOKEN), input.get(TOKEN + 1)) {
            (None, _) => Some(HELLO),
            (Some(&KIND_GO), _) if self.state == State::Agreed => Some(TOKEN + 1),
            (Some(&KIND_HELLO), None | Some(&VERSION)) => Some(HELLO),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Link, Step};

    const BOOT: &[u8] = b"vivarium-boot-00";

    fn hello(current: &[u8], next: u8) -> Vec<u8> {
        [current, &[1, 1], &[next; 16]].concat()
    }

    fn go(next: u8) -> Vec<u8> {
        [&[next; 16][..], &[3]].concat()
    }

    fn ack(next: u8) -> Step {
        Step::Hello([&[next; 16][..], &[2, 1], &[7; 16]].concat())
    }

    #[test]
    fn a_handshake_in_any_pieces_leads_to_frames() {
        let wire = [b"noise".as_slice(), &hello(BOOT, 9), b"late", &go(9), b"frame"].concat();
        for size in 1..wire.len() {
            let mut link = Link::new([7; 16]);
            let steps: Vec<Step> = wire.chunks(size).flat_map(|chunk| link.feed(chunk)).collect();
            assert_eq!(steps[0], ack(9), "pieces of {size}");
            assert_eq!(steps[1], Step::Go);
            let bytes: Vec<u8> = steps[2..].iter().flat_map(|step| if let Step::Bytes(bytes) = step { bytes.clone() } else { vec![] }).collect();
            assert_eq!([bytes, link.release()].concat(), b"frame");
        }
    }

    #[test]
    fn a_hello_inside_a_frame_restarts_and_an_outdated_one_does_not() {
        let mut link = Link::new([7; 16]);
        link.feed(&[hello(BOOT, 9), go(9)].concat());
        assert_eq!(link.feed(&[b"half a frame".as_slice(), &hello(&[9; 16], 8)].concat()), [ack(8)]);
        assert_eq!(link.feed(&hello(&[9; 16], 5)), []);
        assert_eq!(link.feed(&go(8)), [Step::Go]);
        assert_eq!(link.feed(&hello(BOOT, 5)), [Step::Bytes(hello(BOOT, 5))]);
    }
}
