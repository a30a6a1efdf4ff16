//! PAX records: "LENGTH KEY=VALUE\n" (POSIX.1-2008, pax, "pax Extended Header").

use super::entry::{bad_archive, Time};
use crate::failure::Failure;

/// The records about one entry that mean something here.
#[derive(Debug, Default)]
pub struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: PaxSparse,
}

/// The three ways in which GNU tar writes sparse files with PAX (GNU tar manual, "Storing Sparse Files").
#[derive(Debug, Default)]
pub struct PaxSparse {
    pub major: u64,
    pub minor: u64,
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Format 0.0 (a record a number) and 0.1 (all in one record): offset, length, offset, length…
    pub numbers: Vec<u64>,
}

const XATTR: &[u8] = b"SCHILY.xattr.";

impl Pax {
    pub fn parse(mut records: &[u8]) -> Result<Pax, Failure> {
        let mut pax = Pax::default();
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or_else(|| bad_archive("a PAX record is malformed"))?;
            pax.take(key, value)?;
            records = rest;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        match key {
            b"path" => self.path = Some(name(value)?),
            b"linkpath" => self.link = Some(name(value)?),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value).ok_or_else(|| bad_archive("a PAX time is malformed"))?),
            b"GNU.sparse.major" => self.sparse.major = number(value)?,
            b"GNU.sparse.minor" => self.sparse.minor = number(value)?,
            b"GNU.sparse.name" => self.sparse.name = Some(name(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = Some(number(value)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.numbers.push(number(value)?),
            b"GNU.sparse.map" => self.sparse.numbers = value.split(|&byte| byte == b',').map(number).collect::<Result<_, _>>()?,
            _ => {
                if let Some(attribute) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name(attribute)?, value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// (key, value, what follows the record)
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let body = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &records[length..]))
}

fn name(value: &[u8]) -> Result<Vec<u8>, Failure> {
    match value.contains(&0) {
        true => Err(bad_archive("a name has a NUL in it")),
        false => Ok(value.to_vec()),
    }
}

fn number(value: &[u8]) -> Result<u64, Failure> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad_archive("a PAX number is malformed"))
}

/// Seconds since 1970 with a fraction, perhaps before it.
fn time(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some(Time { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds });
    }
    Some(Time { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_their_length() {
        let pax = Pax::parse(b"12 path=a\nb\n28 SCHILY.xattr.user.k=\0=\n\xff\n").expect("parsed");
        assert_eq!(pax.path.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(pax.xattrs, [(b"user.k".to_vec(), b"\0=\n\xff".to_vec())]);
    }

    #[test]
    fn malformed_records_are_refused() {
        for records in
            [&b"path=a\n"[..], b"9999 path=a\n", b"3 x", b"0 ", b"8 path=a", b"9 path=\0\n", b"10 size=-1\n", b"10 mtime=x\n"]
        {
            assert!(Pax::parse(records).is_err(), "{}", records.escape_ascii());
        }
    }

    #[test]
    fn a_time_before_1970_has_a_fraction_that_goes_forward() {
        assert_eq!(time(b"-1.25"), Some(Time { seconds: -2, nanoseconds: 750_000_000 }));
        assert_eq!(time(b"5.000000001"), Some(Time { seconds: 5, nanoseconds: 1 }));
        assert_eq!(time(b"5"), Some(Time { seconds: 5, nanoseconds: 0 }));
    }
}
