//! `viv-launcher serve`: one small process beside the daemon that launches, mounts, unmounts and removes trees for it.
//!
//! Each request runs in a worker of its own, forked from this small process and not from the daemon's large one: a mount that hangs or
//! a disk that is slow holds back nothing but its own answer.

use crate::json::{self, object, Value};
use crate::lines::{Line, Lines};
use crate::sys::{self, Forked};
use crate::worker;
use crate::SERVE_VERSION;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

/// More requests than this at a time are refused.
pub const MAX_WORKERS: usize = 256;
/// A longer request is refused. A spec has at most 1 MiB of text; escaped, some of it may be twice as long.
pub const MAX_LINE_BYTES: usize = 4 << 20;
/// What a worker may answer, bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// After a request this long the memory that it took goes back to the kernel.
const LARGE_LINE_BYTES: usize = 64 << 10;

struct Worker {
    id: i64,
    pid: i32,
    output: OwnedFd,
    answer: Vec<u8>,
}

/// Id, code and message of a request without a worker.
type NotStarted = (Option<i64>, &'static str, String);

struct Server {
    workers: Vec<Worker>,
    lines: Lines,
}

/// Serves stdin and stdout until stdin ends. What was launched stays; workers under way end their work.
pub fn run() -> ExitCode {
    // A session of its own: Ctrl-C in the daemon's terminal is the daemon's business. One that leads its group already is left as it is.
    // SAFETY: setsid changes this process only.
    let _ = sys::check(unsafe { libc::setsid() });
    sys::set_signal(libc::SIGCHLD, libc::SIG_DFL);
    let named = sys::set_process_name(c"viv-serve");
    let mut server = Server { workers: Vec::new(), lines: Lines::new(MAX_LINE_BYTES) };
    match named.and_then(|()| server.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("viv-launcher serve: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Server {
    fn serve(&mut self) -> io::Result<()> {
        say(&object([("hello", Value::from("viv-launcher")), ("version", Value::from(SERVE_VERSION))]).to_string())?;
        let mut buffer = [0; 4096];
        loop {
            let mut entries = vec![sys::poll_entry(libc::STDIN_FILENO, libc::POLLIN)];
            entries.extend(self.workers.iter().map(|worker| sys::poll_entry(worker.output.as_raw_fd(), libc::POLLIN)));
            sys::poll(&mut entries, -1)?;
            self.hear_workers(&entries[1..])?;
            if entries[0].revents != 0 && !self.hear_daemon(&mut buffer)? {
                return Ok(());
            }
        }
    }

    /// Reads once and starts what was asked; false at the end of stdin.
    fn hear_daemon(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        // SAFETY: stdin is open for this process's whole life.
        let stdin = unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) };
        let count = match sys::read(stdin, buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => return Ok(true),
            other => other?,
        };
        if count == 0 {
            return Ok(false);
        }
        for line in self.lines.push(&buffer[..count]) {
            let large = matches!(&line, Line::Whole(bytes) if bytes.len() > LARGE_LINE_BYTES);
            if let Err((id, code, message)) = self.take(line) {
                answer(id, &worker::refusal(code, &message).to_string())?;
            }
            if large {
                sys::release_memory();
            }
        }
        Ok(true)
    }

    /// One line: starts its worker, or ends another.
    fn take(&mut self, line: Line) -> Result<(), NotStarted> {
        let bad = |message: String| (None, "bad_request", message);
        let Line::Whole(bytes) = line else { return Err(bad(format!("the line is longer than {MAX_LINE_BYTES} bytes"))) };
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("not UTF-8".to_owned()))?;
        let request = json::parse(text).map_err(bad)?;
        if let Some(cancelled) = request.get("cancel") {
            return self.cancel(cancelled.as_int()).map_err(bad);
        }
        let id = request.get("id").and_then(Value::as_int).ok_or_else(|| bad("id is not an integer".to_owned()))?;
        if self.workers.len() >= MAX_WORKERS {
            return Err((Some(id), "busy", format!("{MAX_WORKERS} requests are under way")));
        }
        self.start(id, &request).map_err(|error| (Some(id), "worker", format!("start a worker: {error}")))
    }

    fn start(&mut self, id: i64, request: &Value) -> io::Result<()> {
        let (output, theirs) = sys::pipe()?;
        match sys::fork()? {
            Forked::Child => worker::run(theirs, request),
            Forked::Parent(pid) => self.workers.push(Worker { id, pid, output, answer: Vec::new() }),
        }
        Ok(())
    }

    /// Kills a request's worker; its answer then says so. One that has answered is left alone.
    fn cancel(&self, id: Option<i64>) -> Result<(), String> {
        let id = id.ok_or("cancel is not an integer")?;
        for worker in self.workers.iter().filter(|worker| worker.id == id) {
            // SAFETY: signals our own child, which has not been waited for, so the pid is still its own.
            unsafe { libc::kill(worker.pid, libc::SIGKILL) };
        }
        Ok(())
    }

    fn hear_workers(&mut self, entries: &[libc::pollfd]) -> io::Result<()> {
        let mut ready = entries.iter().map(|entry| entry.revents != 0);
        let mut ended = Vec::new();
        let mut at = 0;
        while at < self.workers.len() {
            if ready.next() == Some(true) && self.workers[at].hear() {
                // `swap_remove` would mix up the order that `ready` has.
                ended.push(self.workers.remove(at));
            } else {
                at += 1;
            }
        }
        ended.into_iter().try_for_each(Worker::finish)
    }
}

impl Worker {
    /// Reads once; true when there is nothing more to come.
    fn hear(&mut self) -> bool {
        let mut buffer = [0; 1024];
        match sys::read(self.output.as_fd(), &mut buffer) {
            Ok(count) if count > 0 => {
                self.answer.extend_from_slice(&buffer[..count]);
                self.answer.len() > MAX_ANSWER_BYTES
            }
            Err(error) => !matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock),
            Ok(_) => true,
        }
    }

    fn finish(self) -> io::Result<()> {
        drop(self.output);
        let mut status = 0;
        // Its end of the pipe is closed, so it has ended or is about to.
        // SAFETY: waits for our own child; the pointer lives for the call.
        unsafe { libc::waitpid(self.pid, &mut status, 0) };
        match self.answer.split_last() {
            Some((b'\n', line)) if self.answer.len() <= MAX_ANSWER_BYTES => answer(Some(self.id), &String::from_utf8_lossy(line)),
            _ => answer(Some(self.id), &worker::refusal("worker", &how_it_ended(status)).to_string()),
        }
    }
}

fn how_it_ended(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!("the worker was ended by signal {}", libc::WTERMSIG(status))
    } else {
        format!("the worker ended with {} and no answer", libc::WEXITSTATUS(status))
    }
}

/// `{"id":N,"answer":{…}}`; the id is null for a line that has none.
fn answer(id: Option<i64>, answer: &str) -> io::Result<()> {
    let id = id.map_or_else(|| "null".to_owned(), |id| id.to_string());
    say(&format!("{{\"id\":{id},\"answer\":{answer}}}"))
}

/// One line to the daemon. It always reads; that it is gone ends us.
fn say(line: &str) -> io::Result<()> {
    // SAFETY: stdout is open for this process's whole life.
    let stdout = unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) };
    sys::write_all(stdout, format!("{line}\n").as_bytes())
}
