//! Opens the way to the host and serves on it for as long as the agent lives.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr, VsockAddr};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::channel::{Channel, PORT_NAME};
use super::linked::Linked;
use super::plain;
use super::port::{End, SocketPort, VirtioPort};
use crate::descriptor::watched;
use crate::link::search::Token;
use crate::ttrpc::server::{Budget, Service};

/// What a server needs, whatever the channel.
pub struct Server {
    pub instance: Token,
    pub service: Rc<dyn Service>,
    pub budget: Rc<Budget>,
}

impl Server {
    /// Serves until the last answer was written, or the channel fails; the error says how.
    pub async fn run(self, channel: &Channel) -> io::Result<()> {
        match channel {
            Channel::Serial => self.serial().await,
            Channel::Vsock { port } => {
                let address = VsockAddr::new(libc::VMADDR_CID_ANY, *port);
                self.accept_plain(listener(AddressFamily::Vsock, &address)?).await
            }
            Channel::Unix { path, linked } => {
                let listener = listener(AddressFamily::Unix, &UnixAddr::new(path)?)?;
                match linked {
                    true => self.accept_linked(listener).await,
                    false => self.accept_plain(listener).await,
                }
            }
        }
    }

    async fn serial(self) -> io::Result<()> {
        let mut port = VirtioPort::new(open_port(&find_port()?)?)?;
        match Linked::new(self.instance, self.service, self.budget).serve(&mut port).await? {
            End::Finished => Ok(()),
            End::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    async fn accept_linked(self, listener: AsyncFd<OwnedFd>) -> io::Result<()> {
        let mut linked = Linked::new(self.instance, self.service, self.budget);
        loop {
            let mut port = SocketPort::new(accept(&listener).await?)?;
            match linked.serve(&mut port).await {
                Ok(End::Finished) => return Ok(()),
                Ok(End::Closed) => {}
                Err(error) => eprintln!("viv-agent: a connection failed: {error}"),
            }
        }
    }

    async fn accept_plain(self, listener: AsyncFd<OwnedFd>) -> io::Result<()> {
        let finished = Rc::new(Notify::new());
        loop {
            let socket = tokio::select! {
                socket = accept(&listener) => socket?,
                () = finished.notified() => return Ok(()),
            };
            let mut port = SocketPort::new(socket)?;
            let (service, budget, finished) = (self.service.clone(), self.budget.clone(), finished.clone());
            spawn_local(async move {
                match plain::serve(&mut port, service, budget).await {
                    Ok(End::Finished) => finished.notify_one(),
                    Ok(End::Closed) => {}
                    Err(error) => eprintln!("viv-agent: a connection failed: {error}"),
                }
            });
        }
    }
}

/// The device node of the agent's port, by the name that the host gave it.
pub fn find_port() -> io::Result<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports")? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim_end() == PORT_NAME) {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("no virtio-serial port is named {PORT_NAME}")))
}

fn open_port(path: &Path) -> io::Result<OwnedFd> {
    use nix::fcntl::{open, OFlag};
    let fd = open(path, OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
    // SAFETY: open answered a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn listener(family: AddressFamily, address: &impl socket::SockaddrLike) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket::socket(family, SockType::Stream, flags, None)?;
    socket::bind(fd.as_raw_fd(), address)?;
    socket::listen(&fd, Backlog::new(16)?)?;
    watched(fd)
}

async fn accept(listener: &AsyncFd<OwnedFd>) -> io::Result<OwnedFd> {
    loop {
        let mut guard = listener.readable().await?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        match guard.try_io(|fd| Ok(socket::accept4(fd.as_raw_fd(), flags)?)) {
            // SAFETY: accept4 answered a descriptor that nobody else owns.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd?) }),
            Err(_would_block) => continue,
        }
    }
}
