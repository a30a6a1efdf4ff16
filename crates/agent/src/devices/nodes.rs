//! Nodes that a container gets: of what was plugged in for it, and of what the guest has. Numbers and modes are the guest's, whatever the spec says.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use super::block;
use super::place::Place;
use crate::proto::grpc;
use crate::ttrpc::status::{Result, Status};

/// A disk that was plugged in; `id` is its place. As the kata protocol has it.
const DISK: &str = "blk";
/// What the guest has at `vm_path`. Ours.
const OWN: &str = "node";

/// What the kernel says of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: &'static str,
    major: i64,
    minor: i64,
    mode: u32,
}

/// Puts the guest's numbers into the spec's nodes and their rules; a device that the spec has no node for gets one.
pub fn fill(spec: &mut grpc::Spec, devices: &[grpc::Device], root: &Path) -> Result<()> {
    for device in devices {
        let node = look(device, root)?;
        apply(spec, &device.container_path, &node);
    }
    Ok(())
}

fn look(device: &grpc::Device, root: &Path) -> Result<Node> {
    let path = match device.r#type.as_str() {
        DISK => disk(device, root)?,
        OWN => own(device)?,
        other => return Err(Status::unimplemented(format!("device type {other:?} is not supported"))),
    };
    let meta = fs::metadata(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Status::invalid(format!("the guest has no device {}", path.display())),
        _ => Status::os(path.display(), error),
    })?;
    let kind = match meta.file_type() {
        kind if kind.is_block_device() => "b",
        kind if kind.is_char_device() => "c",
        _ => return Err(Status::invalid(format!("{} is no device in the guest", path.display()))),
    };
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Ok(Node { kind, major: number(major(meta.rdev())), minor: number(minor(meta.rdev())), mode: meta.mode() & 0o777 })
}

/// By its place, which is the guest's own word; the path is what the host was told before.
fn disk(device: &grpc::Device, root: &Path) -> Result<PathBuf> {
    let disk = Place::parse_path(&device.id)?.find(root).and_then(|directory| block::of_device(&directory));
    disk.map(|disk| Path::new("/dev").join(disk.name))
        .ok_or_else(|| Status::invalid(format!("the guest has no disk at {}", device.id)))
}

/// Only below /dev, and without a way out of it.
fn own(device: &grpc::Device) -> Result<PathBuf> {
    let path = Path::new(&device.vm_path);
    let plain = !device.vm_path.split('/').any(|part| part == "..");
    if plain && path.starts_with("/dev") && path != Path::new("/dev") {
        return Ok(path.to_owned());
    }
    Err(Status::invalid(format!("{:?} is not below /dev", device.vm_path)))
}

fn apply(spec: &mut grpc::Spec, container_path: &str, node: &Node) {
    let linux = spec.linux.get_or_insert_with(Default::default);
    let at = linux.devices.iter().position(|known| known.path == container_path).unwrap_or_else(|| {
        linux.devices.push(grpc::LinuxDevice { path: container_path.to_owned(), ..Default::default() });
        linux.devices.len() - 1
    });
    let known = &mut linux.devices[at];
    let (kind, major, minor) = (std::mem::take(&mut known.r#type), known.major, known.minor);
    known.r#type = node.kind.to_owned();
    (known.major, known.minor) = (node.major, node.minor);
    known.file_mode |= node.mode;
    let rules = linux.resources.iter_mut().flat_map(|resources| &mut resources.devices);
    for rule in rules.filter(|rule| rule.r#type == kind && rule.major == major && rule.minor == minor) {
        rule.r#type = node.kind.to_owned();
        (rule.major, rule.minor) = (node.major, node.minor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: &str, vm_path: &str, container_path: &str) -> grpc::Device {
        grpc::Device {
            id: "10.0/00.0".into(),
            r#type: kind.into(),
            vm_path: vm_path.into(),
            container_path: container_path.into(),
            options: vec![],
        }
    }

    fn rule(minor: i64) -> grpc::LinuxDeviceCgroup {
        grpc::LinuxDeviceCgroup { allow: true, r#type: "c".into(), major: 0, minor, access: "r".into() }
    }

    #[test]
    fn the_guests_numbers_take_the_place_of_the_hosts() {
        let listed = grpc::LinuxDevice { path: "/dev/nil".into(), r#type: "c".into(), major: 0, minor: 1, ..Default::default() };
        let resources = grpc::LinuxResources { devices: vec![rule(0), rule(1)], ..Default::default() };
        let mut spec = crate::oci::check::tests::good();
        let linux = spec.linux.as_mut().unwrap();
        linux.devices = vec![listed];
        linux.resources = Some(resources);
        fill(&mut spec, &[device(OWN, "/dev/null", "/dev/nil"), device(OWN, "/dev/zero", "/dev/z")], Path::new("/")).unwrap();
        let linux = spec.linux.unwrap();
        let found: Vec<_> = linux.devices.iter().map(|d| (d.path.as_str(), d.r#type.as_str(), d.major, d.minor)).collect();
        assert_eq!(found, [("/dev/nil", "c", 1, 3), ("/dev/z", "c", 1, 5)]);
        let rules: Vec<_> = linux.resources.unwrap().devices.iter().map(|rule| (rule.major, rule.minor)).collect();
        assert_eq!(rules, [(0, 0), (1, 3)]);
    }

    #[test]
    fn what_the_guest_does_not_have_is_refused_in_its_words() {
        let refused = |device: grpc::Device| {
            let mut spec = crate::oci::check::tests::good();
            fill(&mut spec, &[device], Path::new("/nowhere")).unwrap_err().message
        };
        assert_eq!(refused(device(OWN, "/dev/no-such", "/dev/x")), "the guest has no device /dev/no-such");
        assert_eq!(refused(device(OWN, "/dev/../etc/passwd", "/dev/x")), "\"/dev/../etc/passwd\" is not below /dev");
        assert_eq!(refused(device(OWN, "/dev/fd", "/dev/x")), "/dev/fd is no device in the guest");
        assert_eq!(refused(device(DISK, "/dev/vda", "/dev/x")), "the guest has no disk at 10.0/00.0");
        assert_eq!(refused(device("scsi", "", "/dev/x")), "device type \"scsi\" is not supported");
    }
}
