//! A disk by its number on the guest's one SCSI controller.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::block::directory_in;
use super::wait;
use crate::boot::modules;
use crate::ttrpc::status::{Result, Status};

const HOSTS: &str = "/sys/class/scsi_host";
const DEVICES: &str = "/sys/bus/scsi/devices";
const PCI: &str = "/sys/bus/pci/devices";
/// Of virtio 1.x: 0x1040 and the device's number there, which is 8.
const VIRTIO: &str = "0x1af4";
const SCSI: &str = "0x1048";
/// As its driver calls itself; a guest may have others (AHCI) whose numbers mean something else.
const CONTROLLER: &str = "virtio_scsi";

/// `0:3`: target and logical unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    target: u8,
    lun: u16,
}

impl Unit {
    pub fn parse(text: &str) -> Result<Unit> {
        let bad = || Status::invalid(format!("SCSI address: {text:?} is not of the form TARGET:LUN"));
        let (target, lun) = text.split_once(':').ok_or_else(bad)?;
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(target) || !plain(lun) {
            return Err(bad());
        }
        let unit = Unit { target: target.parse().map_err(|_| bad())?, lun: lun.parse().map_err(|_| bad())? };
        // virtio-scsi has 14 bits for it.
        if unit.lun < 1 << 14 {
            Ok(unit)
        } else {
            Err(bad())
        }
    }
}

/// Blocks until the controller has a disk there that can be opened, and answers its node.
pub fn for_disk(unit: &Unit, limit: Duration) -> Result<PathBuf> {
    modules::load_for_disks();
    let host = controller(Path::new(HOSTS)).ok_or_else(|| Status::precondition("the guest has no virtio SCSI controller"))?;
    let scan = || {
        let file = Path::new(HOSTS).join(format!("host{host}/scan"));
        fs::write(&file, format!("0 {} {}", unit.target, unit.lun)).map_err(|e| Status::os(file.display(), e))
    };
    // The controller tells of most plugs by itself; one that it dropped, or that came before its driver, is found by looking.
    if node(unit, host).is_none() {
        scan()?;
    }
    let found = wait::until(limit, || node(unit, host), scan)?;
    found.ok_or_else(|| {
        Status::deadline(format!("the guest saw no disk at SCSI address {}:{} within {limit:?}", unit.target, unit.lun))
    })
}

fn node(unit: &Unit, host: u32) -> Option<PathBuf> {
    let device = Path::new(DEVICES).join(format!("{host}:0:{}:{}", unit.target, unit.lun));
    let node = Path::new("/dev").join(directory_in(&device.join("block"), "")?.file_name()?);
    wait::can_be_opened(&node).then_some(node)
}

/// The guest forgets the disk; whatever has its number next is looked at anew.
pub fn forget(unit: &Unit) -> Result<()> {
    let Some(host) = controller(Path::new(HOSTS)) else { return Ok(()) };
    let file = Path::new(DEVICES).join(format!("{host}:0:{}:{}/delete", unit.target, unit.lun));
    match fs::write(&file, "1") {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Status::os(file.display(), error)),
        _ => Ok(()),
    }
}

/// There is a controller, whether or not it has a driver yet.
pub fn is_on_bus() -> bool {
    let Ok(devices) = fs::read_dir(PCI) else { return false };
    let is = |path: &Path, file: &str, id: &str| fs::read_to_string(path.join(file)).is_ok_and(|text| text.trim() == id);
    devices.filter_map(|entry| entry.ok()).any(|entry| is(&entry.path(), "vendor", VIRTIO) && is(&entry.path(), "device", SCSI))
}

/// The number of the host adapter that is the controller.
fn controller(hosts: &Path) -> Option<u32> {
    let names = fs::read_dir(hosts).ok()?.filter_map(|entry| entry.ok());
    let mut numbers: Vec<u32> = names
        .filter(|entry| fs::read_to_string(entry.path().join("proc_name")).is_ok_and(|name| name.trim() == CONTROLLER))
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("host")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_target_and_a_unit() {
        assert_eq!(Unit::parse("0:3"), Ok(Unit { target: 0, lun: 3 }));
        assert_eq!(Unit::parse("255:16383"), Ok(Unit { target: 255, lun: 16383 }));
        for bad in ["", "0", "0:", ":0", "256:0", "0:16384", "+1:0", "0:0:0", "a:b"] {
            assert!(Unit::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_controller_is_told_by_its_driver() {
        let root = std::env::temp_dir().join(format!("vv-scsi-{}", std::process::id()));
        for (host, driver) in [("host0", "ahci\n"), ("host12", "virtio_scsi\n"), ("host3", "virtio_scsi\n")] {
            fs::create_dir_all(root.join(host)).unwrap();
            fs::write(root.join(host).join("proc_name"), driver).unwrap();
        }
        assert_eq!(controller(&root), Some(3));
        assert_eq!(controller(&root.join("nowhere")), None);
        fs::remove_dir_all(root).unwrap();
    }
}
