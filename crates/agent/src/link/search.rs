//! Finds a block, a token followed by a kind byte and a payload, in a byte stream that comes in pieces.

use memchr::memmem;

pub const TOKEN: usize = 16;
pub type Token = [u8; TOKEN];

pub const VERSION: u8 = 1;
pub const KIND_HELLO: u8 = 1;
pub const KIND_ACK: u8 = 2;
pub const KIND_GO: u8 = 3;

#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    Hello { next: Token },
    Go,
}

/// What a look at the bytes found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A block that ends before `end`.
    Block {
        end: usize,
        block: Block,
    },
    /// Bytes from `start` on may turn out to begin a block: more are needed.
    Partial {
        start: usize,
    },
    Nothing,
}

/// Looks for the first block that bears `token`. With `go` a GO block counts too.
pub fn find(bytes: &[u8], token: &Token, go: bool) -> Found {
    for start in memmem::find_iter(bytes, token) {
        match read_block(&bytes[start + TOKEN..], go) {
            Read::Block(block, length) => return Found::Block { end: start + TOKEN + length, block },
            Read::TooShort => return Found::Partial { start },
            Read::No => {}
        }
    }
    match tail_match(bytes, token) {
        0 => Found::Nothing,
        length => Found::Partial { start: bytes.len() - length },
    }
}

enum Read {
    Block(Block, usize),
    TooShort,
    No,
}

fn read_block(rest: &[u8], go: bool) -> Read {
    match rest.first() {
        None => Read::TooShort,
        Some(&KIND_GO) if go => Read::Block(Block::Go, 1),
        Some(&KIND_HELLO) => match (rest.get(1), rest.get(2..2 + TOKEN)) {
            (Some(&VERSION), Some(next)) => {
                let mut token = [0; TOKEN];
                token.copy_from_slice(next);
                Read::Block(Block::Hello { next: token }, 2 + TOKEN)
            }
            (None | Some(&VERSION), _) => Read::TooShort,
            (Some(_), _) => Read::No,
        },
        Some(_) => Read::No,
    }
}

/// Length of the longest end of `bytes` that is a beginning of `token` (shorter than the token itself).
fn tail_match(bytes: &[u8], token: &Token) -> usize {
    (1..TOKEN.min(bytes.len() + 1)).rev().find(|&length| bytes.ends_with(&token[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Token = *b"0123456789abcdef";

    #[test]
    fn a_hello_is_found_among_other_bytes() {
        let next = [9; TOKEN];
        let wire = [b"noise".as_slice(), &T, &[KIND_HELLO, VERSION], &next, b"rest"].concat();
        assert_eq!(find(&wire, &T, false), Found::Block { end: 5 + 2 * TOKEN + 2, block: Block::Hello { next } });
    }

    #[test]
    fn a_go_counts_only_where_it_is_awaited() {
        let wire = [T.as_slice(), &[KIND_GO]].concat();
        assert_eq!(find(&wire, &T, true), Found::Block { end: TOKEN + 1, block: Block::Go });
        assert_eq!(find(&wire, &T, false), Found::Nothing);
    }

    #[test]
    fn every_beginning_of_a_block_is_told_as_partial() {
        let wire = [b"xy".as_slice(), &T, &[KIND_HELLO, VERSION], &[7; TOKEN]].concat();
        for cut in 3..wire.len() {
            assert_eq!(find(&wire[..cut], &T, false), Found::Partial { start: 2 }, "cut at {cut}");
        }
    }

    #[test]
    fn another_version_is_no_hello() {
        let wire = [T.as_slice(), &[KIND_HELLO, 2], &[7; TOKEN]].concat();
        assert_eq!(find(&wire, &T, false), Found::Nothing);
    }
}
