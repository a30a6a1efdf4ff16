//! Disks that come and go: nodes of blockdev-add, devices of device_add in root ports, and what the guest sees of both.

use crate::args::RootPort;
use viv_launcher::json::{object, Value};

const SECTOR: u64 = 512;

/// A disk as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestDisk {
    /// Slots and functions from the root complex down.
    pub place: String,
    pub pci_address: String,
    pub path: String,
    pub size_bytes: u64,
    pub serial: String,
}

struct Plugged {
    id: String,
    port: usize,
    node: String,
    serial: String,
    /// The guest's name of it.
    letter: char,
}

#[derive(Default)]
pub struct Disks {
    ports: Vec<RootPort>,
    nodes: Vec<(String, u64)>,
    plugged: Vec<Plugged>,
    /// Id and node of each disk on the SCSI controller, which the guest is told of by whoever wants it mounted.
    units: Vec<(String, String)>,
}

impl Disks {
    pub fn new(ports: Vec<RootPort>) -> Disks {
        Disks { ports, ..Disks::default() }
    }

    /// blockdev-add, in QEMU's words when it fails.
    pub fn add_node(&mut self, arguments: &Value) -> Result<(), String> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, file) = (text(arguments, "node-name"), arguments.get("file").map(|file| text(file, "filename")).unwrap_or_default());
        if self.nodes.iter().any(|(known, _)| *known == name) {
            return Err(format!("Duplicate nodes with node-name='{name}'"));
        }
        let size = std::fs::metadata(&file).map_err(|error| format!("Could not open '{file}': {error}"))?.len();
        self.nodes.push((name, size / SECTOR * SECTOR));
        Ok(())
    }

    pub fn remove_node(&mut self, name: &str) -> Result<(), String> {
        if !self.nodes.iter().any(|(known, _)| known == name) {
            return Err(format!("Failed to find node with node-name='{name}'"));
        }
        if self.plugged.iter().any(|disk| disk.node == name) || self.units.iter().any(|(_, node)| node == name) {
            return Err(format!("Node {name} is in use"));
        }
        self.nodes.retain(|(known, _)| known != name);
        Ok(())
    }

    pub fn nodes(&self) -> Value {
        Value::Array(self.nodes.iter().map(|(name, _)| object([("node-name", Value::from(name.as_str())), ("drv", Value::from("raw"))])).collect())
    }

    /// A device with a drive takes the port that its bus is. Others are nobody's disk.
    pub fn plug(&mut self, id: &str, arguments: &Value) -> Result<(), String> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (bus, node) = (text("bus"), text("drive"));
        if node.is_empty() {
            return Ok(());
        }
        if bus.starts_with("scsi") {
            self.units.push((id.to_owned(), node));
            return Ok(());
        }
        let port = self.ports.iter().position(|port| port.id == bus).ok_or_else(|| format!("Bus '{bus}' not found"))?;
        if self.plugged.iter().any(|disk| disk.port == port) {
            return Err("PCI: slot 0 function 0 already occupied by virtio-blk-pci, new func virtio-blk-pci cannot be exposed to guest.".to_owned());
        }
        if !self.nodes.iter().any(|(known, _)| *known == node) {
            return Err(format!("Property 'virtio-blk-device.drive' can't find value '{node}'"));
        }
        let letter = ('a'..='z').find(|letter| !self.plugged.iter().any(|disk| disk.letter == *letter)).unwrap_or('z');
        self.plugged.push(Plugged { id: id.to_owned(), port, node, serial: text("serial"), letter });
        Ok(())
    }

    pub fn unplug(&mut self, id: &str) {
        self.plugged.retain(|disk| disk.id != id);
        self.units.retain(|(unit, _)| unit != id);
    }

    pub fn is_disk(&self, id: &str) -> bool {
        self.plugged.iter().any(|disk| disk.id == id)
    }

    pub fn seen_by_guest(&self) -> Vec<GuestDisk> {
        let seen = |disk: &Plugged| GuestDisk {
            place: format!("{}/00.0", self.ports[disk.port].address),
            pci_address: format!("0000:{:02x}:00.0", disk.port + 1),
            path: format!("/dev/vd{}", disk.letter),
            size_bytes: self.nodes.iter().find(|(name, _)| *name == disk.node).map_or(0, |(_, size)| *size),
            serial: disk.serial.clone(),
        };
        self.plugged.iter().map(seen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use viv_launcher::json;

    #[test]
    fn a_disk_is_seen_where_its_port_is_and_holds_its_node() {
        let file = std::env::temp_dir().join(format!("vv-fake-disk-{}", std::process::id()));
        std::fs::write(&file, [0; 1024]).unwrap();
        let mut disks = Disks::new(vec![RootPort { id: "port0".to_owned(), address: "10.0".to_owned() }]);
        let node = json::parse(&format!(r#"{{"node-name":"disk0","driver":"raw","file":{{"driver":"file","filename":"{}"}}}}"#, file.display())).unwrap();
        disks.add_node(&node).unwrap();
        assert_eq!(disks.add_node(&node), Err("Duplicate nodes with node-name='disk0'".to_owned()));
        let device = |bus: &str| json::parse(&format!(r#"{{"driver":"virtio-blk-pci","id":"dev0","bus":"{bus}","drive":"disk0","serial":"s"}}"#)).unwrap();
        assert_eq!(disks.plug("dev0", &device("port9")), Err("Bus 'port9' not found".to_owned()));
        disks.plug("dev0", &device("port0")).unwrap();
        assert!(disks.plug("dev1", &device("port0")).is_err());
        assert_eq!(disks.remove_node("disk0"), Err("Node disk0 is in use".to_owned()));
        let [seen] = disks.seen_by_guest().try_into().unwrap();
        assert_eq!((seen.place.as_str(), seen.path.as_str(), seen.size_bytes), ("10.0/00.0", "/dev/vda", 1024));
        disks.unplug("dev0");
        disks.remove_node("disk0").unwrap();
        assert!(disks.remove_node("disk0").is_err());
        std::fs::remove_file(file).unwrap();
    }
}
