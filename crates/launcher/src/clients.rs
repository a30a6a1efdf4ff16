//! Clients of `control.sock`: JSON lines in, JSON lines out, nobody waited for.

use crate::json::{self, object, Value};
use crate::sys;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

/// More connections than this are closed at once.
pub const MAX_CLIENTS: usize = 16;
const MAX_LINE_BYTES: usize = 4096;

pub enum Command {
    Signal(i32),
    Status,
}

struct Client {
    stream: UnixStream,
    line: Vec<u8>,
}

pub struct Clients {
    listener: UnixListener,
    clients: Vec<Client>,
}

impl Clients {
    pub fn new(listener: UnixListener) -> io::Result<Clients> {
        listener.set_nonblocking(true)?;
        Ok(Clients { listener, clients: Vec::new() })
    }

    /// The listener's entry, then one for each client; `serve` takes them back in this order.
    pub fn entries(&self) -> impl Iterator<Item = libc::pollfd> + '_ {
        let clients = self.clients.iter().map(|client| client.stream.as_raw_fd());
        std::iter::once(self.listener.as_raw_fd()).chain(clients).map(|fd| sys::poll_entry(fd, libc::POLLIN))
    }

    /// Serves whoever is ready. `answer` says what a command comes to; `greeting` is the line a new client gets.
    pub fn serve(&mut self, entries: &[libc::pollfd], greeting: &str, mut answer: impl FnMut(Command) -> Value) {
        let ready: Vec<bool> = entries.iter().map(|entry| entry.revents != 0).collect();
        let mut client_ready = ready.iter().skip(1);
        self.clients.retain_mut(|client| !*client_ready.next().unwrap_or(&false) || client.serve(&mut answer).is_ok());
        if ready.first() == Some(&true) {
            self.accept(greeting);
        }
    }

    /// Accepts one, false when there is none. In the loop, the next one wakes the next poll.
    fn accept(&mut self, greeting: &str) -> bool {
        let Ok((stream, _)) = self.listener.accept() else { return false };
        let mut client = Client { stream, line: Vec::new() };
        if self.clients.len() < MAX_CLIENTS && client.stream.set_nonblocking(true).is_ok() && client.send(greeting).is_ok() {
            self.clients.push(client);
        }
        true
    }

    /// Sends the last line to all, also to those who connected and were not accepted yet. One that does not read it is not waited for.
    pub fn say_farewell(&mut self, line: &str) {
        self.clients.retain_mut(|client| client.send(line).is_ok());
        self.clients.clear();
        while self.accept(line) {
            self.clients.clear();
        }
    }
}

impl Client {
    fn send(&mut self, line: &str) -> io::Result<()> {
        let bytes = format!("{line}\n").into_bytes();
        // Half a line is worse than none: a client whose socket is full is dropped.
        match self.stream.write(&bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Reads once and answers each whole line. An error drops the client.
    fn serve(&mut self, answer: &mut impl FnMut(Command) -> Value) -> io::Result<()> {
        let mut buffer = [0; 1024];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(()),
            other => other?,
        };
        self.line.extend_from_slice(&buffer[..count]);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let reply = match parse(&line) {
                Ok(command) => answer(command),
                Err(message) => error("bad_request", &message),
            };
            self.send(&reply.to_string())?;
        }
        if self.line.len() > MAX_LINE_BYTES {
            self.send(&error("bad_request", "the line is too long").to_string())?;
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }
}

/// `{"error":{"code":…,"message":…}}`
pub fn error(code: &str, message: &str) -> Value {
    object([("error", object([("code", Value::from(code)), ("message", Value::from(message))]))])
}

fn parse(line: &[u8]) -> Result<Command, String> {
    let request = json::parse(std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?)?;
    match request.get("cmd").and_then(Value::as_str) {
        Some("status") => Ok(Command::Status),
        Some("signal") => match request.get("signal").and_then(Value::as_int) {
            Some(number @ 1..=64) => Ok(Command::Signal(number as i32)),
            _ => Err("signal is not a number from 1 to 64".to_owned()),
        },
        _ => Err("cmd is neither \"status\" nor \"signal\"".to_owned()),
    }
}
