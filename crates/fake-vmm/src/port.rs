//! A character device: a listening socket with one client at a time (further ones wait, as with QEMU), a descriptor, or stdio.

use crate::args::Place;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use viv_launcher::{fds, sys};

/// Beyond this, producers should wait until the client has read.
const HIGH_WATER: usize = 1 << 20;

struct Client {
    input: OwnedFd,
    /// Another descriptor for output, when it is not the same.
    output: Option<OwnedFd>,
}

pub struct Port {
    listener: Option<UnixListener>,
    client: Option<Client>,
    pending: Vec<u8>,
}

pub enum Event {
    Connected,
    Data(usize),
    Disconnected,
    Nothing,
}

impl Port {
    pub fn open(place: &Place) -> io::Result<Port> {
        let (listener, client) = match place {
            Place::Listen(path) => {
                let listener = fds::listen(Path::new(path), 0o600)?;
                listener.set_nonblocking(true)?;
                (Some(listener), None)
            }
            // SAFETY: the starter passed these descriptors for us to own.
            Place::Descriptor(number) => (None, Some(Client { input: unsafe { OwnedFd::from_raw_fd(*number) }, output: None })),
            Place::Stdio => {
                // SAFETY: as above.
                let (input, output) = unsafe { (OwnedFd::from_raw_fd(0), OwnedFd::from_raw_fd(1)) };
                (None, Some(Client { input, output: Some(output) }))
            }
        };
        if let Some(client) = &client {
            sys::set_nonblocking(client.input.as_fd())?;
            sys::set_nonblocking(client.output().as_fd())?;
        }
        Ok(Port { listener, client, pending: Vec::new() })
    }

    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Entries to poll. `read`: whether input is wanted now.
    pub fn entries(&self, read: bool) -> [libc::pollfd; 2] {
        let unused = sys::poll_entry(-1, 0);
        let wanted = if read { libc::POLLIN } else { 0 };
        let Some(client) = &self.client else {
            return [self.listener.as_ref().filter(|_| read).map_or(unused, |listener| sys::poll_entry(listener.as_raw_fd(), libc::POLLIN)), unused];
        };
        let output = if self.pending.is_empty() { unused } else { sys::poll_entry(client.output().as_raw_fd(), libc::POLLOUT) };
        // Without interest in input the end of a connection would wake the poll again and again.
        let input = if read { sys::poll_entry(client.input.as_raw_fd(), wanted) } else { unused };
        [input, output]
    }

    /// Handles one ready entry of input: a new client, or bytes into `buffer`.
    pub fn input(&mut self, buffer: &mut [u8]) -> Event {
        let Some(client) = &self.client else { return self.accept() };
        match sys::read(client.input.as_fd(), buffer) {
            Ok(count) if count > 0 => Event::Data(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Event::Nothing,
            _ => {
                self.disconnect();
                Event::Disconnected
            }
        }
    }

    fn accept(&mut self) -> Event {
        let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) else { return Event::Nothing };
        if stream.set_nonblocking(true).is_err() {
            return Event::Nothing;
        }
        self.client = Some(Client { input: stream.into(), output: None });
        Event::Connected
    }

    /// Closes the client; what it was not sent yet is lost.
    pub fn disconnect(&mut self) {
        self.client = None;
        self.pending.clear();
    }

    /// Takes bytes for the client and sends what goes at once. Without a client they are lost, as with a port nobody holds open.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.client.is_some() {
            self.pending.extend_from_slice(bytes);
            self.flush();
        }
    }

    pub fn drop_unsent(&mut self) {
        self.pending.clear();
    }

    /// Bytes that producers may still add.
    pub fn room(&self) -> usize {
        HIGH_WATER.saturating_sub(self.pending.len())
    }

    pub fn flush(&mut self) {
        let mut sent = 0;
        while let Some(client) = self.client.as_ref().filter(|_| sent < self.pending.len()) {
            match write(client.output(), &self.pending[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.disconnect(),
            }
        }
        self.pending.drain(..sent);
        if self.pending.is_empty() {
            // A burst must not stay as memory for the rest of a long life.
            if self.pending.capacity() > HIGH_WATER / 4 {
                self.pending = Vec::new();
            }
        }
    }
}

impl Client {
    fn output(&self) -> BorrowedFd<'_> {
        self.output.as_ref().unwrap_or(&self.input).as_fd()
    }
}

fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live slice. SIGPIPE is ignored by the runtime.
    let count = sys::check(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) })?;
    Ok(count as usize)
}
