//! Non-blocking byte streams: a virtio-serial port, or a socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

use crate::descriptor::watched;

/// Why serving on a stream came to an end without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer has closed it.
    Closed,
    /// The last answer was written: there is nothing more to serve, here or elsewhere.
    Finished,
}

/// A byte stream that says when it can be used.
#[allow(async_fn_in_trait)]
pub trait Port {
    /// Ends when a read may succeed, or with `write` also when a write may.
    async fn wait(&mut self, write: bool) -> io::Result<()>;
    /// Bytes read; `WouldBlock` when there are none now, 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Bytes written; `WouldBlock` when none can be taken now.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// A virtio-serial port. It reports "hung up" all the while the host is away, which a level-triggered wait, or one that
/// remembers hang-ups, would turn into a busy loop. So it sits edge-triggered in an epoll of its own, and that is waited for.
pub struct VirtioPort {
    port: OwnedFd,
    epoll: Epoll,
    edges: AsyncFd<OwnedFd>,
    readable: bool,
    writable: bool,
}

impl VirtioPort {
    /// `port`: opened read-write and non-blocking.
    pub fn new(port: OwnedFd) -> io::Result<VirtioPort> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        epoll.add(port.as_fd(), EpollEvent::new(flags, 0))?;
        let edges = watched(epoll.0.try_clone()?)?;
        Ok(VirtioPort { port, epoll, edges, readable: true, writable: true })
    }
}

impl Port for VirtioPort {
    async fn wait(&mut self, write: bool) -> io::Result<()> {
        while !(self.readable || write && self.writable) {
            let mut guard = self.edges.readable().await?;
            let mut events = [EpollEvent::empty()];
            if self.epoll.wait(&mut events, EpollTimeout::ZERO)? == 0 {
                guard.clear_ready();
                continue;
            }
            self.readable = true;
            self.writable = true;
        }
        Ok(())
    }

    /// 0 from the kernel means that the host is away: not an end, its return is an edge.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match nix::unistd::read(self.port.as_raw_fd(), buffer) {
            Ok(0) | Err(Errno::EAGAIN) => {
                self.readable = false;
                Err(io::ErrorKind::WouldBlock.into())
            }
            other => Ok(other?),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match nix::unistd::write(&self.port, bytes) {
            Ok(0) | Err(Errno::EAGAIN) => {
                self.writable = false;
                Err(io::ErrorKind::WouldBlock.into())
            }
            other => Ok(other?),
        }
    }
}

/// A connected stream socket.
pub struct SocketPort {
    socket: AsyncFd<OwnedFd>,
    readable: bool,
    writable: bool,
}

impl SocketPort {
    /// `socket`: non-blocking.
    pub fn new(socket: OwnedFd) -> io::Result<SocketPort> {
        Ok(SocketPort { socket: watched(socket)?, readable: true, writable: true })
    }
}

impl Port for SocketPort {
    async fn wait(&mut self, write: bool) -> io::Result<()> {
        if self.readable || (write && self.writable) {
            return Ok(());
        }
        let interest = if write { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let mut guard = self.socket.ready(interest).await?;
        self.readable |= guard.ready().is_readable();
        self.writable |= guard.ready().is_writable();
        guard.clear_ready();
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = nix::unistd::read(self.socket.as_raw_fd(), buffer);
        if read == Err(Errno::EAGAIN) {
            self.readable = false;
        }
        Ok(read?)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = nix::sys::socket::send(self.socket.as_raw_fd(), bytes, nix::sys::socket::MsgFlags::MSG_NOSIGNAL);
        if written == Err(Errno::EAGAIN) {
            self.writable = false;
        }
        Ok(written?)
    }
}
