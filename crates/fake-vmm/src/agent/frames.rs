//! ttrpc frames: 10 bytes of header, at most 4 MiB of body.

use crate::agent::wire::Builder;

pub const HEADER: usize = 10;
pub const MAX_BODY: usize = 4 << 20;
pub const REQUEST: u8 = 1;
pub const RESPONSE: u8 = 2;
pub const DATA: u8 = 3;

#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Frame { stream: u32, kind: u8, body: Vec<u8> },
    /// Its body was larger than allowed and is skipped.
    TooLarge { stream: u32 },
}

#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    skip: usize,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Incoming> {
        self.buffer.extend_from_slice(bytes);
        let mut frames = Vec::new();
        loop {
            let skipped = self.skip.min(self.buffer.len());
            self.buffer.drain(..skipped);
            self.skip -= skipped;
            let Some((header, body)) = self.buffer.split_first_chunk::<HEADER>().filter(|_| self.skip == 0) else { break };
            let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let stream = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let kind = header[8];
            if length > MAX_BODY {
                self.skip = HEADER + length;
                frames.push(Incoming::TooLarge { stream });
            } else if body.len() < length {
                break;
            } else {
                let body = body[..length].to_vec();
                self.buffer.drain(..HEADER + length);
                frames.push(Incoming::Frame { stream, kind, body });
            }
        }
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        frames
    }
}

pub fn frame(stream: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(body);
    bytes
}

/// A response's body: an OK status is present and empty, as the official agent sends it.
pub fn response(result: Result<&[u8], (u32, &str)>) -> Vec<u8> {
    match result {
        Ok(payload) => Builder::new().message(1, Builder::new()).data(2, payload).finish(),
        Err((code, message)) => Builder::new().message(1, Builder::new().number(1, code.into()).text(2, message)).finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::{frame, response, Decoder, Incoming};

    #[test]
    fn frames_in_pieces_are_put_together_and_too_large_ones_skipped() {
        let mut large = frame(5, 1, &[]);
        large[..4].copy_from_slice(&((4u32 << 20) + 1).to_be_bytes());
        large.resize(10 + (4 << 20) + 1, 0);
        let wire = [frame(1, 1, b"abc"), large, frame(3, 1, b"")].concat();
        let mut decoder = Decoder::default();
        let frames: Vec<Incoming> = wire.chunks(65_521).flat_map(|chunk| decoder.push(chunk)).collect();
        assert_eq!(
            frames,
            [
                Incoming::Frame { stream: 1, kind: 1, body: b"abc".to_vec() },
                Incoming::TooLarge { stream: 5 },
                Incoming::Frame { stream: 3, kind: 1, body: Vec::new() },
            ]
        );
    }

    #[test]
    fn an_empty_answer_is_that_of_the_official_agent() {
        assert_eq!(response(Ok(&[8, 1])), [0x0a, 0, 0x12, 2, 8, 1]);
    }
}
