//! The lock: who holds `DIR/lock` is the launcher of that name.

use crate::failure::{Code, Failure, OrFail};
use crate::identity;
use crate::json::Value;
use crate::record;
use crate::sys;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a second launch waits for the first to fill the record.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a wait lasts that nobody will end, on a host that has no watch left.
const BLIND_WAIT: Duration = Duration::from_millis(20);

pub enum Claim {
    /// The lock is ours and nothing of an earlier launch lives. Held until the file is closed by all who have it.
    Ours(File),
    /// The child lives already: the answer to give.
    Living(Value),
}

/// Takes the lock of the current directory, or finds out who lives there.
pub fn claim() -> Result<Claim, Failure> {
    let lock = open_lock().or_fail(Code::Lock, "lock")?;
    if let Some(claim) = look(&lock)? {
        return Ok(claim);
    }
    // Only who must wait watches: a host has few watches to give (128 by default), and many launches at once are ordinary.
    let watch = watch_directory();
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Looked at again after the watch began, so that no change falls between look and wait.
        if let Some(claim) = look(&lock)? {
            return Ok(claim);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::new(Code::Lock, "another launcher holds the lock and has not filled the record"));
        }
        wait_for_change(watch.as_ref().ok(), left).or_fail(Code::Lock, "wait for the record")?;
    }
}

/// None while another holds the lock and its record tells of no child yet.
fn look(lock: &File) -> Result<Option<Claim>, Failure> {
    if try_lock(lock).or_fail(Code::Lock, "flock")? {
        let mine = lock.try_clone().or_fail(Code::Lock, "lock")?;
        return Ok(Some(orphan().map_or(Claim::Ours(mine), Claim::Living)));
    }
    Ok(living().map(Claim::Living))
}

fn open_lock() -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open("lock")
}

fn try_lock(lock: &File) -> io::Result<bool> {
    // SAFETY: flock on a live descriptor.
    match sys::check(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Wakes at every change of the record, and when the lock is closed (by an end or by SIGKILL alike).
fn watch_directory() -> io::Result<OwnedFd> {
    // SAFETY: makes a descriptor that nobody else owns; the path is a C string.
    unsafe {
        let fd = sys::check(libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK))?;
        let watch = OwnedFd::from_raw_fd(fd);
        sys::check(libc::inotify_add_watch(fd, c".".as_ptr(), libc::IN_MODIFY | libc::IN_CLOSE_WRITE))?;
        Ok(watch)
    }
}

/// Ends at a change or when the patience is over; without a watch, after a moment.
fn wait_for_change(watch: Option<&OwnedFd>, patience: Duration) -> io::Result<()> {
    let Some(watch) = watch else {
        return sys::poll(&mut [], patience.min(BLIND_WAIT).as_millis() as i32 + 1);
    };
    let mut entries = [sys::poll_entry(watch.as_raw_fd(), libc::POLLIN)];
    sys::poll(&mut entries, patience.as_millis() as i32 + 1)?;
    let mut events = [0; 4096];
    match sys::read(watch.as_fd(), &mut events) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// The answer for a child whose launcher holds the lock.
fn living() -> Option<Value> {
    let record = record::read(Path::new(record::RECORD_FILE))?;
    let running = record.get("state").and_then(Value::as_str) == Some("running");
    answer_from(&record, running, &[("already", true)])
}

/// A launcher that was killed leaves its child: the lock is free, but starting a second one would be wrong.
fn orphan() -> Option<Value> {
    let record = record::read(Path::new(record::RECORD_FILE))?;
    let begun = matches!(record.get("state").and_then(Value::as_str), Some("starting" | "running"));
    answer_from(&record, begun, &[("already", true), ("orphan", true)])
}

fn answer_from(record: &Value, wanted: bool, marks: &[(&str, bool)]) -> Option<Value> {
    let number = |key| record.get(key).and_then(Value::as_int);
    let (launcher, pid, started) = (number("launcher_pid")?, number("pid")?, number("start_time")?);
    let boot = record.get("boot_id").and_then(Value::as_str)?;
    if !wanted || !identity::is_running(i32::try_from(pid).ok()?, started, boot) {
        return None;
    }
    let Value::Object(mut entries) = record::answer(launcher, pid, started, boot) else { return None };
    entries.extend(marks.iter().map(|(key, mark)| ((*key).to_owned(), Value::from(*mark))));
    Some(Value::Object(entries))
}
