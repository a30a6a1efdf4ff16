//! Digests: `sha256:HEX`, hashing readers, and the chain id of a stack of layers.

use crate::failure::{Code, Failure};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};

const PREFIX: &str = "sha256:";
const HEX_CHARS: usize = 64;

/// A sha256 digest. No other algorithm is in use (OCI image-spec, descriptor.md, "Digests").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    hex: String,
}

impl Digest {
    pub fn parse(text: &str) -> Option<Digest> {
        let hex = text.strip_prefix(PREFIX)?;
        let known = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == HEX_CHARS && hex.bytes().all(known)).then(|| Digest { hex: hex.to_owned() })
    }

    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.digest()
    }

    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Fails with `digest_mismatch` unless the other is the same.
    pub fn check(&self, what: &str, found: &Digest) -> Result<(), Failure> {
        if self == found {
            return Ok(());
        }
        Err(Failure::new(Code::DigestMismatch, format_args!("{what} should have the digest {self} and has {found}")))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no sha256 digest")))
    }
}

#[derive(Clone, Default)]
pub struct Hasher {
    state: Sha256,
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    pub fn digest(&self) -> Digest {
        use fmt::Write;
        let mut hex = String::with_capacity(HEX_CHARS);
        for byte in self.state.clone().finalize() {
            // Writing to a String can't fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Digest { hex }
    }
}

/// Hashes and counts what is read through it.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
}

impl<R: Read> HashingReader<R> {
    pub fn new(inner: R) -> HashingReader<R> {
        HashingReader { inner, hasher: Hasher::default(), count: 0 }
    }

    pub fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// Bytes read so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        self.count += got as u64;
        Ok(got)
    }
}

/// The chain ids of a stack of layers, lowest first (OCI image-spec, config.md, "Layer ChainID").
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
    }

    #[test]
    fn what_is_not_lower_case_hex_of_the_right_length_is_no_digest() {
        for text in ["", "sha256:", "sha256:../../etc/passwd", "md5:00", &EMPTY.to_uppercase(), &EMPTY[..70]] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_chain_id_is_made_of_the_chain_below_and_the_diff_id() {
        let one = Digest::of(b"one");
        let two = Digest::of(b"two");
        let chain = chain_ids(&[one.clone(), two.clone()]);
        assert_eq!(chain[0], one);
        assert_eq!(chain[1], Digest::of(format!("{one} {two}").as_bytes()));
    }
}
