//! The console: the child's end of a socketpair on one side, live clients of `console.sock` on the other.

use crate::clients::MAX_CLIENTS;
use crate::sys;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

pub struct Console {
    /// `None` once the child has closed its end.
    guest: Option<OwnedFd>,
    listener: UnixListener,
    clients: Vec<UnixStream>,
    /// From clients, not yet taken by the guest. While it holds bytes, no client is read: a guest that does not read slows who types.
    input: Vec<u8>,
}

impl Console {
    pub fn new(guest: OwnedFd, listener: UnixListener) -> io::Result<Console> {
        sys::set_nonblocking(guest.as_fd())?;
        listener.set_nonblocking(true)?;
        Ok(Console { guest: Some(guest), listener, clients: Vec::new(), input: Vec::new() })
    }

    /// The guest's entry, the listener's, then one for each client. `hold` leaves the guest's output where it is.
    pub fn entries(&self, hold: bool) -> impl Iterator<Item = libc::pollfd> + '_ {
        let output = if hold { 0 } else { libc::POLLIN };
        let events = output | if self.input.is_empty() { 0 } else { libc::POLLOUT };
        // poll ignores a negative descriptor: a closed end, and one of which nothing is wanted (it would report its end again and again).
        let guest = self.guest.as_ref().filter(|_| events != 0).map_or(-1, AsRawFd::as_raw_fd);
        let from_clients = if self.input.is_empty() { libc::POLLIN } else { 0 };
        let clients = self.clients.iter().map(move |client| sys::poll_entry(client.as_raw_fd(), from_clients));
        [sys::poll_entry(guest, events), sys::poll_entry(self.listener.as_raw_fd(), libc::POLLIN)].into_iter().chain(clients)
    }

    /// Serves whoever is ready; `keep` gets each piece of output for the ring. The entries are those of `entries`.
    pub fn serve(&mut self, entries: &[libc::pollfd], buffer: &mut [u8], keep: impl FnMut(&[u8])) {
        let Some(([guest, listener], clients)) = entries.split_first_chunk() else { return };
        let mut ready = clients.iter().map(|entry| entry.revents != 0);
        let (input, alive) = (&mut self.input, self.guest.is_some());
        self.clients.retain_mut(|client| !ready.next().unwrap_or(false) || (alive && take_input(client, input)));
        self.flush_input();
        if guest.revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0 {
            self.read_output(buffer, keep);
        }
        if listener.revents != 0 {
            self.accept();
        }
    }

    /// Reads one piece of output; false when there is none now.
    pub fn read_output(&mut self, buffer: &mut [u8], mut keep: impl FnMut(&[u8])) -> bool {
        let Some(guest) = &self.guest else { return false };
        match sys::read(guest.as_fd(), buffer) {
            Ok(count) if count > 0 => {
                keep(&buffer[..count]);
                self.clients.retain_mut(|client| matches!(client.write(&buffer[..count]), Ok(written) if written == count));
                true
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => false,
            _ => {
                self.guest = None;
                self.clients.clear();
                self.input.clear();
                false
            }
        }
    }

    fn flush_input(&mut self) {
        let Some(guest) = &self.guest else { return };
        if self.input.is_empty() {
            return;
        }
        // An error here shows again as the end of the guest's output.
        let taken = sys::send(guest.as_fd(), &self.input).unwrap_or(0);
        self.input.drain(..taken);
    }

    fn accept(&mut self) {
        let Ok((client, _)) = self.listener.accept() else { return };
        if self.guest.is_some() && self.clients.len() < MAX_CLIENTS && client.set_nonblocking(true).is_ok() {
            self.clients.push(client);
        }
    }
}

/// Takes what a client typed; false when it is gone.
fn take_input(client: &mut UnixStream, input: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 1024];
    match client.read(&mut buffer) {
        Ok(0) => false,
        Ok(count) => {
            input.extend_from_slice(&buffer[..count]);
            true
        }
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}
