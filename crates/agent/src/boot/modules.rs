//! Kernel modules, from lists: one file a line, relative to `modules/`, with optional parameters after a space.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Once;

const DIRECTORY: &str = "/lib/vivarium";

/// Needed before the channel to the host can be opened.
pub const BOOT: &str = "modules.boot";
/// What most guests need once containers come.
pub const LATE: &str = "modules.late";
/// What takes a disk on the SCSI controller and an image on it to a file system. It takes so long to load that a guest without does not.
const DISKS: &str = "modules.disks";

#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    file: &'a str,
    parameters: &'a str,
}

fn parse(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (file, parameters) = line.split_once(' ').unwrap_or((line, ""));
        Line { file, parameters: parameters.trim() }
    })
}

/// Loads every module of a list, in order. One that is missing or refused does not keep the others out; the answer tells of each.
pub fn load(list: &str) -> Vec<String> {
    let Ok(text) = fs::read_to_string(Path::new(DIRECTORY).join(list)) else {
        return Vec::new();
    };
    parse(&text)
        .filter_map(|line| {
            let path = Path::new(DIRECTORY).join("modules").join(line.file);
            load_file(&path, line.parameters).err().map(|error| format!("{}: {error}", line.file))
        })
        .collect()
}

/// Loads what disks need, once; those who come meanwhile wait for it.
pub fn load_for_disks() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for failure in load(DISKS) {
            eprintln!("viv-agent: module {failure}");
        }
    });
}

/// Loads the module called `name` if its file is in the guest. A module that is there already is well.
pub fn load_named(name: &str, parameters: &str) -> io::Result<()> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if name.is_empty() || !plain {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if Path::new("/sys/module").join(name.replace('-', "_")).exists() {
        return Ok(());
    }
    load_file(&Path::new(DIRECTORY).join("modules").join(format!("{name}.ko")), parameters)
}

fn load_file(path: &Path, parameters: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let parameters = CString::new(parameters)?;
    // SAFETY: both arguments live for the call.
    let result = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), parameters.as_ptr(), 0) };
    match nix::Error::result(result) {
        Ok(_) | Err(nix::Error::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_file_and_its_parameters() {
        let text = "# comment\n\nvirtio.ko\nvirtio_pci.ko force_legacy=1 x=2\n";
        let lines: Vec<_> = parse(text).collect();
        assert_eq!(
            lines,
            [Line { file: "virtio.ko", parameters: "" }, Line { file: "virtio_pci.ko", parameters: "force_legacy=1 x=2" },]
        );
    }

    #[test]
    fn a_module_name_is_never_a_path() {
        for name in ["", "../init", "a/b", "a b"] {
            assert_eq!(load_named(name, "").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
