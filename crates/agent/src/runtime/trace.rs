//! The runtime's own words about what went wrong. It hands errors upwards with their causes cut off, and writes the causes to its
//! log; so the log's errors, of all the processes that a job takes, are gathered in a pipe.

use std::fmt::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::fcntl::OFlag;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Longest text that is kept of one error.
const LONGEST: usize = 512;

pub struct Trace {
    reader: OwnedFd,
    _writer: OwnedFd,
}

struct Gatherer {
    pipe: RawFd,
}

impl Trace {
    /// Gathers from now on, in this process and those that it makes. Once a process.
    pub fn begin() -> Result<Trace, Box<dyn std::error::Error>> {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        tracing::subscriber::set_global_default(Gatherer { pipe: writer.as_raw_fd() })?;
        Ok(Trace { reader, _writer: writer })
    }

    /// The first error, which is the one nearest to the cause.
    pub fn first(&self) -> Option<String> {
        let mut bytes = [0; LONGEST];
        let count = nix::unistd::read(self.reader.as_raw_fd(), &mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..count]);
        text.lines().next().map(str::to_owned)
    }
}

impl Subscriber for Gatherer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut text = line.text();
        text.truncate(text.floor_char_boundary(LONGEST - 1));
        text.push('\n');
        // SAFETY: the text lives for the call. A full pipe has the first error already.
        unsafe { libc::write(self.pipe, text.as_ptr().cast(), text.len()) };
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn text(&self) -> String {
        let text = if self.fields.is_empty() { self.message.clone() } else { format!("{}:{}", self.message, self.fields) };
        text.replace('\n', " ")
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.expect("writing to a string does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_its_fields_are_one_line() {
        let line = Line { message: "failed to mount".into(), fields: " err=\"a\nb\"".into() };
        assert_eq!(line.text(), "failed to mount: err=\"a b\"");
    }
}
