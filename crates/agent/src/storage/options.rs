//! Mount options: those that are flags of mount(2), and the rest, which goes to the file system.

use nix::mount::MsFlags;

/// Flags and data of a list of options.
pub fn split(options: &[String]) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for option in options.iter().flat_map(|option| option.split(',')).filter(|option| !option.is_empty()) {
        match flag(option) {
            Some((bits, true)) => flags |= bits,
            Some((bits, false)) => flags &= !bits,
            None => data.push(option),
        }
    }
    (flags, data.join(","))
}

/// The flag that an option stands for, and whether it sets or clears it.
fn flag(option: &str) -> Option<(MsFlags, bool)> {
    Some(match option {
        "defaults" => (MsFlags::empty(), true),
        "ro" => (MsFlags::MS_RDONLY, true),
        "rw" => (MsFlags::MS_RDONLY, false),
        "nosuid" => (MsFlags::MS_NOSUID, true),
        "suid" => (MsFlags::MS_NOSUID, false),
        "nodev" => (MsFlags::MS_NODEV, true),
        "dev" => (MsFlags::MS_NODEV, false),
        "noexec" => (MsFlags::MS_NOEXEC, true),
        "exec" => (MsFlags::MS_NOEXEC, false),
        "sync" => (MsFlags::MS_SYNCHRONOUS, true),
        "async" => (MsFlags::MS_SYNCHRONOUS, false),
        "dirsync" => (MsFlags::MS_DIRSYNC, true),
        "noatime" => (MsFlags::MS_NOATIME, true),
        "atime" => (MsFlags::MS_NOATIME, false),
        "nodiratime" => (MsFlags::MS_NODIRATIME, true),
        "relatime" => (MsFlags::MS_RELATIME, true),
        "strictatime" => (MsFlags::MS_STRICTATIME, true),
        "bind" => (MsFlags::MS_BIND, true),
        "rbind" => (MsFlags::from_bits_retain(libc::MS_BIND | libc::MS_REC), true),
        "private" => (MsFlags::MS_PRIVATE, true),
        "rprivate" => (MsFlags::from_bits_retain(libc::MS_PRIVATE | libc::MS_REC), true),
        "shared" => (MsFlags::MS_SHARED, true),
        "rshared" => (MsFlags::from_bits_retain(libc::MS_SHARED | libc::MS_REC), true),
        "slave" => (MsFlags::MS_SLAVE, true),
        "rslave" => (MsFlags::from_bits_retain(libc::MS_SLAVE | libc::MS_REC), true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_data_are_told_apart() {
        let options = ["ro,nosuid", "mode=755", "rw", "size=1m"].map(String::from);
        assert_eq!(split(&options), (MsFlags::MS_NOSUID, "mode=755,size=1m".into()));
    }
}
