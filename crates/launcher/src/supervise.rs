//! The keeper's loop: drain, serve, reap, publish.

use crate::clients::{self, Clients, Command};
use crate::console::Console;
use crate::json::{object, Value};
use crate::record::{self, Exit, Life, State};
use crate::scribe::{Kind, Scribe, CHUNK_BYTES};
use crate::start;
use crate::sys::{self, Reaped};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

/// After the child's end, at most this much of what is still in its pipes is kept: something it left behind may write for ever.
const MAX_LAST_OUTPUT: usize = 1 << 20;

pub struct Supervision {
    pub life: Life,
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The child's stdout and stderr; `None` once all who held it have closed it.
    pub log: Option<OwnedFd>,
    pub console: Option<Console>,
    pub control: Clients,
    pub scribe: Scribe,
}

/// Milliseconds since 1970.
pub fn unix_time_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl Supervision {
    /// The line that answers the launch.
    pub fn answer(&self) -> Value {
        let (pid, start_time) = self.life.child.unwrap_or_default();
        record::answer(self.life.launcher_pid.into(), pid.into(), start_time, &self.life.boot_id)
    }

    /// Runs until the child has ended and its end is published. An error means that it could not be heard; the record stays `running`.
    pub fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            if let Some(reaped) = self.turn(&mut buffer)? {
                self.drain(&mut buffer);
                self.publish(&exit_of(&reaped));
                return Ok(());
            }
        }
    }

    /// One poll and all that it found ready.
    fn turn(&mut self, buffer: &mut [u8]) -> io::Result<Option<Reaped>> {
        let hold = self.scribe.holds_back();
        let log = self.log.as_ref().filter(|_| !hold).map_or(-1, AsRawFd::as_raw_fd);
        let mut entries = vec![sys::poll_entry(self.pidfd.as_raw_fd(), libc::POLLIN), sys::poll_entry(log, libc::POLLIN)];
        entries.extend(self.control.entries());
        let console_from = entries.len();
        entries.extend(self.console.iter().flat_map(|console| console.entries(hold)));
        let console_to = entries.len();
        let timeout_ms = match self.scribe.interest() {
            Some((entry, patience)) => {
                entries.push(entry);
                patience.as_millis() as i32 + 1
            }
            None => -1,
        };
        sys::poll(&mut entries, timeout_ms)?;

        self.scribe.advance();
        if entries[1].revents != 0 {
            self.read_log(buffer);
        }
        if let Some(console) = &mut self.console {
            let scribe = &mut self.scribe;
            console.serve(&entries[console_from..console_to], buffer, |bytes| scribe.log(Kind::Console, bytes));
        }
        self.serve_control(&entries[2..console_from]);
        if entries[0].revents == 0 {
            return Ok(None);
        }
        sys::try_reap(self.pid)
    }

    fn serve_control(&mut self, entries: &[libc::pollfd]) {
        let record = self.life.to_json(&State::Running);
        let (pidfd, greeting) = (self.pidfd.as_fd(), record.to_string());
        self.control.serve(entries, &greeting, |command| match command {
            Command::Status => object([("ok", Value::from(true)), ("record", record.clone())]),
            Command::Signal(number) => match sys::pidfd_send_signal(pidfd, number) {
                Ok(()) => object([("ok", Value::from(true))]),
                Err(problem) if problem.raw_os_error() == Some(libc::ESRCH) => clients::error("gone", "the child has ended"),
                Err(problem) => clients::error("signal", &problem.to_string()),
            },
        });
    }

    /// Reads one piece of the child's output; false when there is none now.
    fn read_log(&mut self, buffer: &mut [u8]) -> bool {
        let Some(log) = &self.log else { return false };
        match sys::read(log.as_fd(), buffer) {
            Ok(count) if count > 0 => {
                self.scribe.log(Kind::Stderr, &buffer[..count]);
                true
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => false,
            _ => {
                self.log = None;
                false
            }
        }
    }

    /// Takes what the child wrote last. A scribe that holds back gets one chance a piece, so that this ends.
    fn drain(&mut self, buffer: &mut [u8]) {
        for _ in 0..MAX_LAST_OUTPUT / CHUNK_BYTES {
            self.wait_for_scribe();
            let (scribe, mut more) = (&mut self.scribe, false);
            if let Some(console) = &mut self.console {
                more = console.read_output(buffer, |bytes| scribe.log(Kind::Console, bytes));
            }
            self.wait_for_scribe();
            if !self.read_log(buffer) && !more {
                return;
            }
        }
    }

    fn wait_for_scribe(&mut self) {
        if let Some((entry, patience)) = self.scribe.interest() {
            // Whatever the poll says, `advance` finds out by itself.
            let _ = sys::poll(&mut [entry], patience.as_millis() as i32 + 1);
            self.scribe.advance();
        }
    }

    /// Record first, so that whoever hears of the end finds it there; but a dead disk does not keep it from the clients.
    fn publish(&mut self, exit: &Exit) {
        let record = self.life.to_json(&State::Exited(exit));
        if let Ok(block) = record::block(&record) {
            self.scribe.finish(&block);
        }
        // Whoever finds the socket gone finds the record; whoever came before is told.
        start::remove_sockets();
        self.control.say_farewell(&record.to_string());
    }
}

fn exit_of(reaped: &Reaped) -> Exit {
    let (status, usage) = (reaped.status, &reaped.usage);
    let microseconds = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    Exit {
        exited_at_ms: unix_time_ms(),
        exit_code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        core: libc::WIFSIGNALED(status) && libc::WCOREDUMP(status),
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
        max_rss_kib: usage.ru_maxrss,
    }
}
