//! References: `HOST/PATH:TAG`, `HOST/PATH@DIGEST`, or both, of which the digest counts.

use crate::digest::Digest;
use crate::failure::{Code, Failure};
use std::fmt;

/// Docker Hub answers under another name than the one that its references have.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub host: String,
    pub path: String,
    pub wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    /// Takes a full reference apart (distribution-spec, "Pulling manifests", for what names may be).
    pub fn parse(text: &str) -> Result<Reference, Failure> {
        let refuse = |why: &str| Failure::new(Code::BadRequest, format_args!("the reference {text:?} {why}"));
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest).ok_or_else(|| refuse("has no sha256 digest"))?)),
            None => (text, None),
        };
        let (host, rest) = name.split_once('/').ok_or_else(|| refuse("names no registry"))?;
        let (path, tag) = rest.split_once(':').map_or((rest, None), |(path, tag)| (path, Some(tag)));
        if !is_host(host) {
            return Err(refuse("names no registry"));
        }
        if path.len() > 255 || !path.split('/').all(is_component) {
            return Err(refuse("has a path that can't be"));
        }
        if !tag.is_none_or(is_tag) {
            return Err(refuse("has a tag that can't be"));
        }
        let wanted = match (digest, tag) {
            (Some(digest), _) => Wanted::Digest(digest),
            (None, Some(tag)) => Wanted::Tag(tag.to_owned()),
            (None, None) => return Err(refuse("has neither tag nor digest")),
        };
        Ok(Reference { host: host.to_owned(), path: path.to_owned(), wanted })
    }

    /// Where the registry answers.
    pub fn server(&self) -> &str {
        match self.host == HUB.0 {
            true => HUB.1,
            false => &self.host,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Tag(tag) => formatter.write_str(tag),
            Wanted::Digest(digest) => digest.fmt(formatter),
        }
    }
}

fn is_host(host: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    let is_host = host.contains(['.', ':']) || host == "localhost";
    is_host && host.bytes().all(known) && !host.starts_with([':', '.', '-'])
}

fn is_component(component: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = component.as_bytes();
    bytes.iter().copied().all(known) && is_end(bytes.first()) && is_end(bytes.last())
}

fn is_tag(tag: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=128).contains(&tag.len()) && tag.bytes().all(known) && !tag.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_reference_is_taken_apart() {
        let reference = Reference::parse("127.0.0.1:5000/a/b:v1.2").expect("parsed");
        assert_eq!((reference.host.as_str(), reference.path.as_str()), ("127.0.0.1:5000", "a/b"));
        assert_eq!(reference.wanted, Wanted::Tag("v1.2".into()));
    }

    #[test]
    fn a_digest_counts_more_than_a_tag() {
        let digest = Digest::of(b"x");
        let reference = Reference::parse(&format!("docker.io/library/a:v1@{digest}")).expect("parsed");
        assert_eq!(reference.wanted, Wanted::Digest(digest));
        assert_eq!(reference.server(), "registry-1.docker.io");
    }

    #[test]
    fn what_could_change_an_address_is_refused() {
        for text in [
            "",
            "a",
            "a:b",
            "host/a:b",
            "h.x/a",
            "h.x/../a:b",
            "h.x/a?b:c",
            "h.x/A:b",
            "h.x/a:b/../c",
            "h.x#/a:b",
            "u@h.x/a:b",
            "h.x/a:-b",
        ] {
            assert_eq!(Reference::parse(text).expect_err(text).code, Code::BadRequest);
        }
    }
}
