//! A device by its place: slots and functions on the way from the root complex down. Bus numbers are the guest's own and may change.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::ttrpc::status::{Result, Status};

/// Bridges on the way, at most.
const DEEPEST: usize = 8;

/// `10.3/00.0`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<String>);

impl Place {
    pub fn parse(text: &str) -> Result<Place> {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        if parts.len() > DEEPEST || !parts.iter().all(|part| is_slot_and_function(part)) {
            return Err(Status::invalid(format!("place: {text:?} is not of the form 10.3/00.0")));
        }
        Ok(Place(parts))
    }

    /// As the kata protocol has it: the function may be left out (`10.3/00`).
    pub fn parse_path(text: &str) -> Result<Place> {
        let whole = |part: &str| if part.len() == 2 { format!("{part}.0") } else { part.to_owned() };
        Place::parse(&text.split('/').map(whole).collect::<Vec<_>>().join("/"))
    }

    /// The device's directory, below one of a root complex (`/sys/devices/pci0000:00`); nothing when it is not there.
    pub fn find(&self, root: &Path) -> Option<PathBuf> {
        self.0.iter().try_fold(root.to_owned(), |directory, part| child(&directory, part))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0.join("/"))
    }
}

/// Two hexadecimal digits, a dot, a digit below 8.
fn is_slot_and_function(part: &str) -> bool {
    let bytes = part.as_bytes();
    matches!(bytes, [a, b, b'.', b'0'..=b'7'] if is_hex(*a) && is_hex(*b))
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// `DDDD:BB:` and the part, whatever the domain and the bus are.
fn child(directory: &Path, part: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    entries.filter_map(|entry| entry.ok()).find_map(|entry| {
        let name = entry.file_name();
        let (address, slot) = name.to_str()?.rsplit_once(':')?;
        (slot == part && address.contains(':')).then(|| entry.path())
    })
}

#[cfg(test)]
mod tests {
    use super::Place;
    use std::fs;
    use std::path::Path;

    #[test]
    fn only_slots_and_functions_are_a_place() {
        for good in ["10.3/00.0", "1f.7", "00.0/1a.0/00.1"] {
            assert!(Place::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "10.8", "10.3/", "../10.3", "1.0", "10.3/00.0/..", "1F.0", "10-3", &["00.0"; 9].join("/")] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_may_leave_the_function_out() {
        assert_eq!(Place::parse_path("02/01"), Place::parse("02.0/01.0"));
        assert_eq!(Place::parse_path("10.3/00").unwrap().to_string(), "10.3/00.0");
        for bad in ["", "2/1", "02/", "0000:00:01.0"] {
            assert!(Place::parse_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_is_found_whatever_its_bus_is_called() {
        let root = std::env::temp_dir().join(format!("vv-place-{}", std::process::id()));
        fs::create_dir_all(root.join("0000:00:10.3/0000:2b:00.0/virtio7")).unwrap();
        fs::create_dir_all(root.join("0000:00:10.4/power")).unwrap();
        let find = |text: &str| Place::parse(text).unwrap().find(&root);
        assert_eq!(find("10.3/00.0").as_deref(), Some(root.join("0000:00:10.3/0000:2b:00.0").as_path()));
        assert_eq!(find("10.4/00.0"), None);
        assert_eq!(find("11.0/00.0"), None);
        assert_eq!(Place::parse("10.3").unwrap().find(Path::new("/nowhere")), None);
        fs::remove_dir_all(root).unwrap();
    }
}
