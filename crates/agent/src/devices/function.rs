//! A PCI function of any kind, as sysfs shows it: its driver, and what the driver made of it.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories below a function, at most: a disk's is three deep.
const DEEPEST: usize = 8;
/// Names of one kind that are told.
const MOST: usize = 64;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// `0000:01:00.0`
    pub address: String,
    /// As sysfs has them, without `0x`.
    pub class: String,
    pub vendor: String,
    pub device: String,
    /// Empty: none has taken it.
    pub driver: String,
    /// `/dev/vda`, and whatever else is below /dev.
    pub nodes: Vec<String>,
    /// `eth0`
    pub interfaces: Vec<String>,
}

impl Function {
    pub fn read(device: &Path) -> Function {
        let word = |file: &str| {
            let text = fs::read_to_string(device.join(file)).unwrap_or_default();
            text.trim().trim_start_matches("0x").to_owned()
        };
        let driver = fs::read_link(device.join("driver")).unwrap_or_default();
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut found = Function {
            address: name(device),
            class: word("class"),
            vendor: word("vendor"),
            device: word("device"),
            driver: name(&driver),
            ..Function::default()
        };
        visit(device, DEEPEST, &mut |directory| found.look(directory));
        found.nodes.sort();
        found.interfaces.sort();
        found
    }

    /// A driver has taken it and made something of it that can be used.
    pub fn is_ready(&self) -> bool {
        let has_names = !self.nodes.is_empty() || !self.interfaces.is_empty();
        !self.driver.is_empty() && has_names
    }

    fn look(&mut self, directory: &Path) {
        if let Some(node) = node_of(directory) {
            push(&mut self.nodes, node);
        }
        if is_in(directory, "net") {
            push(&mut self.interfaces, directory.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
}

/// Nodes of the disks that are made of a function, without their partitions.
pub fn disks_of(device: &Path) -> Vec<PathBuf> {
    let mut disks = Vec::new();
    visit(device, DEEPEST, &mut |directory| {
        if is_in(directory, "block") {
            disks.extend(node_of(directory).map(PathBuf::from));
        }
    });
    disks
}

fn push(names: &mut Vec<String>, name: String) {
    if names.len() < MOST {
        names.push(name);
    }
}

fn is_in(directory: &Path, class: &str) -> bool {
    directory.parent().and_then(Path::file_name).is_some_and(|name| name == class)
}

/// What a directory with a device number is called in /dev.
fn node_of(directory: &Path) -> Option<String> {
    fs::symlink_metadata(directory.join("dev")).ok()?;
    let uevent = fs::read_to_string(directory.join("uevent")).ok()?;
    let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(format!("/dev/{name}"))
}

/// Every directory below, no link followed: links lead to other devices.
fn visit(directory: &Path, depth: usize, each: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each(&entry.path());
            visit(&entry.path(), depth - 1, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn made(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("vv-function-{name}-{}", std::process::id())).join("0000:01:00.0");
        for (path, text) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn a_disk_is_ready_with_its_node_and_its_partitions() {
        let device = made(
            "disk",
            &[
                ("class", "0x010000\n"),
                ("vendor", "0x1af4\n"),
                ("device", "0x1042\n"),
                ("virtio3/block/vdb/dev", "254:16\n"),
                ("virtio3/block/vdb/uevent", "MAJOR=254\nDEVNAME=vdb\n"),
                ("virtio3/block/vdb/vdb1/dev", "254:17\n"),
                ("virtio3/block/vdb/vdb1/uevent", "DEVNAME=vdb1\n"),
            ],
        );
        assert!(!Function::read(&device).is_ready(), "no driver yet");
        symlink("../drivers/virtio-pci", device.join("driver")).unwrap();
        let found = Function::read(&device);
        assert!(found.is_ready());
        let words = [found.address, found.class, found.vendor, found.device, found.driver];
        assert_eq!(words, ["0000:01:00.0", "010000", "1af4", "1042", "virtio-pci"]);
        assert_eq!(found.nodes, ["/dev/vdb", "/dev/vdb1"]);
        assert_eq!(disks_of(&device), [PathBuf::from("/dev/vdb")]);
        fs::remove_dir_all(device.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_nic_is_ready_with_its_interface_and_links_are_not_followed() {
        let device = made("nic", &[("virtio3/net/eth1/mtu", "1500\n")]);
        symlink("../drivers/virtio-pci", device.join("driver")).unwrap();
        symlink("/sys", device.join("subsystem")).unwrap();
        let found = Function::read(&device);
        assert!(found.is_ready());
        assert_eq!((found.interfaces, found.nodes), (vec!["eth1".to_owned()], vec![]));
        assert!(disks_of(&device).is_empty());
        fs::remove_dir_all(device.parent().unwrap()).unwrap();
    }
}
