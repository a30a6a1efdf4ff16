//! The kernel's device events, as a wake-up: whoever waits looks at sysfs again after each.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{bind, recv, socket, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};

const KERNEL_GROUP: u32 = 1;

pub struct Uevents(OwnedFd);

impl Uevents {
    /// Events from now on are seen.
    pub fn open() -> nix::Result<Uevents> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkKObjectUEvent)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Uevents(fd))
    }

    /// Looks, and looks again after each event, until there is something or the time has passed.
    pub fn wait_for<T>(&self, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(_) | Err(Errno::EINTR) => self.drain(),
                Err(_) => return None,
            }
        }
    }

    fn drain(&self) {
        let mut message = [0; 4096];
        // ENOBUFS says that events were lost: they were only wake-ups, and the look that follows sees what they told of.
        while matches!(recv(self.0.as_raw_fd(), &mut message, MsgFlags::empty()), Ok(1..) | Err(Errno::ENOBUFS)) {}
    }
}
