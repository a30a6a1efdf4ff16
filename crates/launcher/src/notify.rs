//! One datagram to the service manager, as sd_notify(3) describes it. Node has no datagram sockets of the Unix family.

use crate::json::Value;
use crate::sys;
use crate::worker::Refused;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// A path of a Unix socket has at most this many bytes, and sun_path one more for its end.
const LARGEST_PATH: usize = 107;
const CREDENTIALS: usize = std::mem::size_of::<libc::ucred>();

/// `{"socket":…,"pid":…,"state":"READY=1"}`. The manager tells services apart by the sender's control group; this process may be in
/// another one than the daemon, so the message bears the daemon's pid as its sender (which takes CAP_SYS_ADMIN).
pub fn notify(request: &Value) -> Result<(), Refused> {
    let text = |key: &str| request.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is not a string"));
    let (socket, state) = (text("socket")?, text("state")?);
    let pid = request
        .get("pid")
        .and_then(Value::as_int)
        .and_then(|pid| i32::try_from(pid).ok())
        .ok_or_else(|| "pid is not a number".to_owned())?;
    let (address, length) = address(socket)?;
    send(&address, length, pid, state.as_bytes()).map_err(|error| Refused::call("notify", socket, &error))
}

/// A path, or an abstract name after an `@`.
fn address(socket: &str) -> Result<(libc::sockaddr_un, libc::socklen_t), String> {
    let bytes = socket.as_bytes();
    if !matches!(bytes.first(), Some(b'/' | b'@')) || bytes.len() > LARGEST_PATH {
        return Err(format!("\"{socket}\" is not the address of a Unix socket"));
    }
    // SAFETY: sockaddr_un is plain data, for which zero is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    if bytes[0] == b'@' {
        address.sun_path[0] = 0;
    }
    let length = std::mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len();
    Ok((address, length as libc::socklen_t))
}

fn send(address: &libc::sockaddr_un, length: libc::socklen_t, pid: i32, state: &[u8]) -> io::Result<()> {
    // SAFETY: makes a descriptor that nobody else owns.
    let socket =
        unsafe { OwnedFd::from_raw_fd(sys::check(libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?) };
    // As many words as a header and the credentials may take, aligned as a header has to be.
    let mut control = [0u64; 8];
    let mut part = libc::iovec { iov_base: state.as_ptr().cast_mut().cast(), iov_len: state.len() };
    // SAFETY: plain data, for which zero is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = std::ptr::from_ref(address).cast_mut().cast();
    message.msg_namelen = length;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: computes a size only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(CREDENTIALS as u32) } as usize;
    // SAFETY: the control buffer is larger than one header with credentials, and lives until the message is sent.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_CREDENTIALS;
        (*header).cmsg_len = libc::CMSG_LEN(CREDENTIALS as u32) as usize;
        libc::CMSG_DATA(header).cast::<libc::ucred>().write_unaligned(libc::ucred {
            pid,
            uid: libc::getuid(),
            gid: libc::getgid(),
        });
    }
    // SAFETY: everything that the message points to is alive.
    sys::check(unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &message, libc::MSG_NOSIGNAL) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        assert!(address("/run/systemd/notify").is_ok_and(|(_, length)| length == 2 + 19));
        assert!(address("@name").is_ok_and(|(address, length)| address.sun_path[0] == 0 && length == 2 + 5));
        for bad in ["", "run/x", &format!("/{}", "x".repeat(LARGEST_PATH))] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
