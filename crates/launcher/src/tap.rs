//! A tap device in the network namespace of a VM, handed to its VMM: Node can neither enter a namespace nor pass a descriptor.
//!
//! The VMM names a descriptor on the very connection that brought it, so the command that uses it goes over the same one: a monitor of the
//! VMM's own for this. The device is not persistent: it is there as long as the VMM holds it, and no longer.

use crate::json::Value;
use crate::monitor::Monitor;
use crate::sys;
use crate::worker::Refused;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const TUN: &str = "/dev/net/tun";
const MAX_QUEUES: i64 = 64;
const NAME_BYTES: usize = libc::IFNAMSIZ;

/// TUNSETIFF and the flags of <linux/if_tun.h>.
const SET_INTERFACE: libc::c_ulong = 0x4004_54ca;
const TAP: i16 = 0x0002;
const NO_PACKET_INFO: i16 = 0x1000;
const VNET_HEADER: i16 = 0x4000;
const MULTI_QUEUE: i16 = 0x0100;

/// `ifreq`, as far as it is used: a name and flags.
#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    flags: i16,
    rest: [u8; 22],
}

/// `{"netns":…,"name":…,"queues":…,"monitor":…,"netdev":{…}}`: `netdev` is what netdev_add takes, without its descriptors.
pub fn tap(request: &Value) -> Result<(), Refused> {
    let text = |key: &str| request.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is not a string"));
    let (netns, name, monitor) = (text("netns")?, text("name")?, text("monitor")?);
    let queues = request
        .get("queues")
        .and_then(Value::as_int)
        .filter(|queues| (1..=MAX_QUEUES).contains(queues))
        .ok_or_else(|| "queues is not 1 to 64".to_owned())?;
    let netdev = request.get("netdev").ok_or_else(|| "netdev is missing".to_owned())?;
    let bytes = interface_name(name)?;

    let mut monitor = Monitor::connect(monitor).map_err(|error| Refused::call("monitor", monitor, &error))?;
    enter(netns).map_err(|error| Refused::call("namespace", netns, &error))?;
    let queues = (0..queues).map(|_| open_queue(bytes, queues > 1)).collect::<io::Result<Vec<_>>>();
    let queues = queues.map_err(|error| Refused::call("tap", name, &error))?;
    bring_up(bytes).map_err(|error| Refused::call("tap", name, &error))?;
    monitor.add_network(name, netdev, &queues)
}

fn interface_name(name: &str) -> Result<[u8; NAME_BYTES], String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'.';
    if name.is_empty() || name.len() >= NAME_BYTES || !name.bytes().all(plain) || name == "." || name == ".." {
        return Err(format!("\"{name}\" is no name of an interface"));
    }
    let mut bytes = [0; NAME_BYTES];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Ok(bytes)
}

fn enter(path: &str) -> io::Result<()> {
    let namespace = File::open(path)?;
    // SAFETY: setns on a live descriptor; this worker has one thread and ends with its request.
    sys::check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

/// One queue of the interface; the first makes it. EBUSY: somebody holds it already.
fn open_queue(name: [u8; NAME_BYTES], several: bool) -> io::Result<OwnedFd> {
    let tun = OwnedFd::from(File::options().read(true).write(true).open(TUN)?);
    let flags = TAP | NO_PACKET_INFO | VNET_HEADER | if several { MULTI_QUEUE } else { 0 };
    change(tun.as_fd().as_raw_fd(), SET_INTERFACE, name, flags)?;
    sys::set_nonblocking(tun.as_fd())?;
    Ok(tun)
}

fn bring_up(name: [u8; NAME_BYTES]) -> io::Result<()> {
    // SAFETY: makes a descriptor that nobody else owns.
    let socket =
        unsafe { OwnedFd::from_raw_fd(sys::check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?) };
    change(socket.as_raw_fd(), libc::SIOCSIFFLAGS as libc::c_ulong, name, libc::IFF_UP as i16)
}

fn change(fd: i32, call: libc::c_ulong, name: [u8; NAME_BYTES], flags: i16) -> io::Result<()> {
    let request = Request { name, flags, rest: [0; 22] };
    // SAFETY: the kernel reads and writes one ifreq, which is as large as this and lives for the call.
    sys::check(unsafe { libc::ioctl(fd, call, &raw const request) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_large_as_the_kernels() {
        assert_eq!(std::mem::size_of::<Request>(), std::mem::size_of::<libc::ifreq>());
    }

    #[test]
    fn a_name_fits_an_interface() {
        assert!(interface_name("tap3").is_ok_and(|bytes| bytes.starts_with(b"tap3\0")));
        for bad in ["", "a-name-too-long-x", "a/b", "..", "a b", "tap%d"] {
            assert!(interface_name(bad).is_err(), "{bad}");
        }
    }
}
