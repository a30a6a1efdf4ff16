//! Names of entries: relative to the layer's root, and whiteouts (OCI image-spec, layer.md, "Whiteouts").

use crate::failure::Failure;
use crate::tar::entry::shown;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs kept for itself and some old images still have.
const AUFS: &[u8] = b".wh..wh.";

/// A path's parts; none at all is the root. A leading slash is the layer's root, as everyone takes it.
pub type Parts<'a> = Vec<&'a [u8]>;

#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// An entry of this path.
    Plain(Parts<'a>),
    /// What has this path in the layers below is not to be seen.
    Whiteout(Parts<'a>),
    /// Nothing of this directory in the layers below is to be seen.
    Opaque(Parts<'a>),
    /// Not part of the image.
    Skipped,
}

pub fn parts(name: &[u8]) -> Result<Parts<'_>, Failure> {
    let mut parts = Parts::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Failure::bad_image(format_args!("the name {} leaves the layer", shown(name)))),
            _ => parts.push(part),
        }
    }
    Ok(parts)
}

pub fn meaning(name: &[u8]) -> Result<Meaning<'_>, Failure> {
    let mut parts = parts(name)?;
    let Some((&last, above)) = parts.split_last() else { return Ok(Meaning::Plain(parts)) };
    if above.iter().any(|part| part.starts_with(WHITEOUT)) {
        return match above.iter().any(|part| part.starts_with(AUFS)) {
            true => Ok(Meaning::Skipped),
            false => Err(Failure::bad_image(format_args!("{} is below a whiteout", shown(name)))),
        };
    }
    let Some(hidden) = last.strip_prefix(WHITEOUT) else { return Ok(Meaning::Plain(parts)) };
    parts.pop();
    if last == OPAQUE {
        return Ok(Meaning::Opaque(parts));
    }
    if last.starts_with(AUFS) {
        return Ok(Meaning::Skipped);
    }
    if matches!(hidden, b"" | b"." | b"..") {
        return Err(Failure::bad_image(format_args!("{} is a whiteout of no name", shown(name))));
    }
    parts.push(hidden);
    Ok(Meaning::Whiteout(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_from_the_root_of_the_layer() {
        let wanted: Parts = vec![b"etc", b"passwd"];
        for name in [&b"etc/passwd"[..], b"./etc/passwd", b"/etc/passwd", b"etc//./passwd/"] {
            assert_eq!(parts(name).expect("inside"), wanted);
        }
        assert!(parts(b"./").expect("root").is_empty());
    }

    #[test]
    fn a_name_that_goes_up_is_refused_even_if_it_comes_back() {
        for name in [&b".."[..], b"../x", b"a/../../x", b"a/..", b"/../x", b"a/../b"] {
            assert!(parts(name).is_err());
        }
    }

    #[test]
    fn whiteouts_and_opaque_marks_are_told_from_names() {
        assert_eq!(meaning(b"a/.wh.b").expect("whiteout"), Meaning::Whiteout(vec![b"a", b"b"]));
        assert_eq!(meaning(b"a/.wh..wh..opq").expect("opaque"), Meaning::Opaque(vec![b"a"]));
        assert_eq!(meaning(b".wh..wh..opq").expect("opaque"), Meaning::Opaque(vec![]));
        assert_eq!(meaning(b".wh..wh.plnk/1.2").expect("aufs"), Meaning::Skipped);
        assert_eq!(meaning(b".wh..wh.aufs").expect("aufs"), Meaning::Skipped);
        assert_eq!(meaning(b"a/.why").expect("plain"), Meaning::Plain(vec![b"a", b".why"]));
    }

    #[test]
    fn whiteouts_of_nothing_or_of_a_way_out_are_refused() {
        for name in [&b".wh."[..], b".wh..", b".wh...", b"a/.wh...", b".wh.a/b"] {
            assert!(meaning(name).is_err(), "{}", name.escape_ascii());
        }
    }
}
