//! Frames: a 10 byte header (length, stream id: big endian; type; flags), then the body.

/// Largest body that is accepted or sent.
pub const MAX_BODY: usize = 4 * 1024 * 1024;
pub const HEADER: usize = 10;

pub const TYPE_REQUEST: u8 = 1;
pub const TYPE_RESPONSE: u8 = 2;
pub const TYPE_DATA: u8 = 3;

/// Memory set aside for a body before its bytes have come: a header alone must not cost megabytes.
const FIRST_RESERVE: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub length: u32,
    pub stream: u32,
    pub kind: u8,
    pub flags: u8,
}

impl Header {
    pub fn parse(bytes: &[u8; HEADER]) -> Header {
        Header {
            length: u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            stream: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            kind: bytes[8],
            flags: bytes[9],
        }
    }

    pub fn bytes(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(&self.length.to_be_bytes());
        out[4..8].copy_from_slice(&self.stream.to_be_bytes());
        out[8] = self.kind;
        out[9] = self.flags;
        out
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Frame {
        header: Header,
        body: Vec<u8>,
    },
    /// The body was longer than `MAX_BODY`; it has been read and thrown away.
    Oversized {
        header: Header,
    },
}

#[derive(Debug)]
enum State {
    Header { have: usize },
    Body { header: Header, body: Vec<u8> },
    Skip { header: Header, left: usize },
}

/// Cuts a byte stream into frames. Every byte sequence is acceptable input.
#[derive(Debug)]
pub struct Decoder {
    head: [u8; HEADER],
    state: State,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder { head: [0; HEADER], state: State::Header { have: 0 } }
    }
}

impl Decoder {
    /// Takes bytes in and hands every frame that they complete to `sink`, in order.
    pub fn push(&mut self, mut input: &[u8], sink: &mut impl FnMut(Incoming)) {
        while !input.is_empty() {
            input = self.step(input, sink);
        }
    }

    fn step<'a>(&mut self, input: &'a [u8], sink: &mut impl FnMut(Incoming)) -> &'a [u8] {
        match &mut self.state {
            State::Header { have } => {
                let take = input.len().min(HEADER - *have);
                self.head[*have..*have + take].copy_from_slice(&input[..take]);
                *have += take;
                if *have == HEADER {
                    let header = Header::parse(&self.head);
                    self.begin(header, sink);
                }
                &input[take..]
            }
            State::Body { header, body } => {
                let want = header.length as usize;
                let take = input.len().min(want - body.len());
                body.extend_from_slice(&input[..take]);
                if body.len() == want {
                    let frame = Incoming::Frame { header: *header, body: std::mem::take(body) };
                    self.state = State::Header { have: 0 };
                    sink(frame);
                }
                &input[take..]
            }
            State::Skip { header, left } => {
                let take = input.len().min(*left);
                *left -= take;
                if *left == 0 {
                    let header = *header;
                    self.state = State::Header { have: 0 };
                    sink(Incoming::Oversized { header });
                }
                &input[take..]
            }
        }
    }

    fn begin(&mut self, header: Header, sink: &mut impl FnMut(Incoming)) {
        let length = header.length as usize;
        self.state = if length == 0 {
            sink(Incoming::Frame { header, body: Vec::new() });
            State::Header { have: 0 }
        } else if length > MAX_BODY {
            State::Skip { header, left: length }
        } else {
            State::Body { header, body: Vec::with_capacity(length.min(FIRST_RESERVE)) }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u32, body: &[u8]) -> Vec<u8> {
        let header = Header { length: body.len() as u32, stream, kind: TYPE_REQUEST, flags: 0 };
        [&header.bytes()[..], body].concat()
    }

    fn decode(chunks: &[&[u8]]) -> Vec<Incoming> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for chunk in chunks {
            decoder.push(chunk, &mut |frame| out.push(frame));
        }
        out
    }

    #[test]
    fn the_header_is_big_endian_and_ten_bytes() {
        let header = Header { length: 20, stream: 3, kind: TYPE_REQUEST, flags: 0 };
        assert_eq!(header.bytes(), [0, 0, 0, 0x14, 0, 0, 0, 3, 1, 0]);
        assert_eq!(Header::parse(&header.bytes()), header);
    }

    #[test]
    fn frames_come_out_whole_wherever_the_stream_is_cut() {
        let wire = [frame(1, b"alpha"), frame(3, b""), frame(5, b"omega")].concat();
        let whole = decode(&[&wire]);
        assert_eq!(whole.len(), 3);
        for cut in 0..wire.len() {
            assert_eq!(decode(&[&wire[..cut], &wire[cut..]]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(decode(&single), whole);
    }

    #[test]
    fn an_oversized_body_is_skipped_and_the_next_frame_is_read() {
        let header = Header { length: MAX_BODY as u32 + 1, stream: 7, kind: TYPE_REQUEST, flags: 0 };
        let mut wire = header.bytes().to_vec();
        wire.resize(HEADER + MAX_BODY + 1, 0xaa);
        wire.extend(frame(9, b"next"));
        let out = decode(&[&wire]);
        assert_eq!(out[0], Incoming::Oversized { header });
        assert!(matches!(&out[1], Incoming::Frame { header, body } if header.stream == 9 && body == b"next"));
    }

    #[test]
    fn a_header_alone_reserves_little_memory() {
        let header = Header { length: MAX_BODY as u32, stream: 1, kind: TYPE_REQUEST, flags: 0 };
        let mut decoder = Decoder::default();
        decoder.push(&header.bytes(), &mut |_| panic!("no frame yet"));
        match &decoder.state {
            State::Body { body, .. } => assert!(body.capacity() <= FIRST_RESERVE),
            other => panic!("unexpected state {other:?}"),
        }
    }
}
