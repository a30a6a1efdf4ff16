//! Bytes into lines, of bounded length.

use std::mem;

#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its newline.
    Whole(Vec<u8>),
    /// Longer than allowed; its bytes were dropped.
    TooLong,
}

pub struct Lines {
    limit: usize,
    rest: Vec<u8>,
    dropping: bool,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Lines {
        Lines { limit, rest: Vec::new(), dropping: false }
    }

    /// The lines that these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |content| (content, true));
            self.keep(content);
            if ended {
                let rest = mem::take(&mut self.rest);
                lines.push(if mem::take(&mut self.dropping) { Line::TooLong } else { Line::Whole(rest) });
            }
        }
        lines
    }

    fn keep(&mut self, content: &[u8]) {
        if self.dropping || self.rest.len() + content.len() > self.limit {
            self.dropping = true;
            self.rest = Vec::new();
        } else {
            self.rest.extend_from_slice(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Lines};

    #[test]
    fn lines_are_whole_however_they_are_cut() {
        for size in 1..8 {
            let mut lines = Lines::new(5);
            let found: Vec<Line> = b"one\n\nthree\nfo".chunks(size).flat_map(|chunk| lines.push(chunk)).collect();
            let whole = |text: &str| Line::Whole(text.into());
            assert_eq!(found, [whole("one"), whole(""), whole("three")]);
        }
    }

    #[test]
    fn a_line_too_long_is_dropped_and_the_next_is_whole() {
        for size in 1..8 {
            let mut lines = Lines::new(5);
            let found: Vec<Line> = b"sixsix\nfive5\n".chunks(size).flat_map(|chunk| lines.push(chunk)).collect();
            assert_eq!(found, [Line::TooLong, Line::Whole("five5".into())]);
        }
    }
}
