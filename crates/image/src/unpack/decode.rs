//! What packs a layer: told by its first bytes, as media types are often wrong.

use crate::failure::Failure;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};

const BUFFER: usize = 256 << 10;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const REFUSED: [(&[u8], &str); 3] = [(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x5d\0\0", "lzma")];

pub enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<R>>>),
}

impl<R: Read> Decoder<R> {
    pub fn new(packed: R) -> Result<Decoder<R>, Failure> {
        let mut packed = BufReader::with_capacity(BUFFER, packed);
        let start = packed.fill_buf().map_err(|error| Failure::io("read the layer", &error))?;
        if start.starts_with(GZIP) {
            return Ok(Decoder::Gzip(Box::new(MultiGzDecoder::new(packed))));
        }
        if start.starts_with(ZSTD) {
            let decoder = zstd::Decoder::with_buffer(packed).map_err(|error| Failure::io("zstd", &error))?;
            return Ok(Decoder::Zstd(Box::new(decoder)));
        }
        match REFUSED.iter().find(|(magic, _)| start.starts_with(magic)) {
            Some((_, name)) => Err(Failure::bad_image(format_args!("layers packed with {name} are not known"))),
            None => Ok(Decoder::Plain(packed)),
        }
    }

    /// What is read from, to look at its state.
    pub fn packed(&self) -> &R {
        match self {
            Decoder::Plain(plain) => plain.get_ref(),
            Decoder::Gzip(gzip) => gzip.get_ref().get_ref(),
            Decoder::Zstd(zstd) => zstd.get_ref().get_ref(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Plain(plain) => plain.read(buffer),
            Decoder::Gzip(gzip) => gzip.read(buffer),
            Decoder::Zstd(zstd) => zstd.read(buffer),
        }
    }
}
