//! A VMM's monitor, as far as descriptors are passed over it (QEMU's docs/interop/qmp-spec: one JSON object a line).

use crate::json::{self, object, Value};
use crate::sys;
use crate::worker::Refused;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A living VMM answers within milliseconds; its lines are short.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const MAX_LINE_BYTES: usize = 1 << 20;
const DESCRIPTOR_BYTES: u32 = std::mem::size_of::<i32>() as u32;

pub struct Monitor {
    stream: UnixStream,
    /// What came behind the last whole line.
    rest: Vec<u8>,
}

impl Monitor {
    /// Connects and agrees on nothing: the monitor is then ready for commands.
    pub fn connect(path: &str) -> io::Result<Monitor> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let mut monitor = Monitor { stream, rest: Vec::new() };
        let greeting = monitor.line()?;
        if greeting.get("QMP").is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no monitor answers there"));
        }
        match monitor.execute("qmp_capabilities", &object([]), None)? {
            Ok(()) => Ok(monitor),
            Err(words) => Err(io::Error::other(words)),
        }
    }

    /// Passes the queues of a tap device and makes a network backend of them.
    pub fn add_network(&mut self, name: &str, netdev: &Value, queues: &[OwnedFd]) -> Result<(), Refused> {
        let names: Vec<String> = (0..queues.len()).map(|queue| format!("{name}-{queue}")).collect();
        for (fd, name) in queues.iter().zip(&names) {
            let answer = self.execute("getfd", &object([("fdname", Value::from(name.as_str()))]), Some(fd));
            answer.map_err(|error| Refused::call("monitor", name, &error))?.map_err(|words| Refused::said("monitor", &words))?;
        }
        let key = if names.len() == 1 { "fd" } else { "fds" };
        let arguments = with(netdev, key, &names.join(":"))?;
        let answer = self.execute("netdev_add", &arguments, None).map_err(|error| Refused::call("monitor", name, &error))?;
        answer.map_err(|words| Refused::said("monitor", &words))
    }

    /// One command and its answer; the inner error is the VMM's words. Events in between are for others, who have a monitor of their own.
    fn execute(&mut self, command: &str, arguments: &Value, fd: Option<&OwnedFd>) -> io::Result<Result<(), String>> {
        let request = object([("execute", Value::from(command)), ("arguments", arguments.clone())]);
        send(&self.stream, format!("{request}\r\n").as_bytes(), fd)?;
        loop {
            let answer = self.line()?;
            if answer.get("return").is_some() {
                return Ok(Ok(()));
            }
            if let Some(error) = answer.get("error") {
                return Ok(Err(error.get("desc").and_then(Value::as_str).unwrap_or("refused").to_owned()));
            }
        }
    }

    fn line(&mut self) -> io::Result<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
                return json::parse(std::str::from_utf8(&line).map_err(|error| invalid(error.to_string()))?.trim())
                    .map_err(invalid);
            }
            if self.rest.len() > MAX_LINE_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the monitor's line has no end"));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.rest.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// An object with one key more.
fn with(arguments: &Value, key: &'static str, value: &str) -> Result<Value, String> {
    let Value::Object(fields) = arguments else {
        return Err("netdev is not an object".to_owned());
    };
    let mut fields = fields.clone();
    fields.push((key.to_owned(), Value::from(value)));
    Ok(Value::Object(fields))
}

/// All of it in one message: the descriptor goes with its first byte.
fn send(stream: &UnixStream, bytes: &[u8], fd: Option<&OwnedFd>) -> io::Result<()> {
    // Room for a header and one descriptor, aligned as a header has to be.
    let mut control = [0u64; 4];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: plain data, for which zero is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(fd) = fd {
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: computes a size only.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(DESCRIPTOR_BYTES) } as usize;
        // SAFETY: the control buffer is larger than one header with a descriptor, and lives until the message is sent.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(DESCRIPTOR_BYTES) as usize;
            libc::CMSG_DATA(header).cast::<i32>().write_unaligned(fd.as_raw_fd());
        }
    }
    // SAFETY: everything that the message points to is alive.
    let sent = sys::check(unsafe { libc::sendmsg(stream.as_raw_fd(), &message, libc::MSG_NOSIGNAL) })?;
    if usize::try_from(sent) == Ok(bytes.len()) {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}
