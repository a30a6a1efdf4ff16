//! From a spec to a running child: record, sockets, fork, handshake.

use crate::child::{self, Inheritance, ABOUT_TO_EXEC};
use crate::clients::Clients;
use crate::console::Console;
use crate::failure::{Code, Failure, OrFail};
use crate::fds;
use crate::identity;
use crate::namespaces::{self, Kind};
use crate::record::{self, Life, State};
use crate::scribe::Scribe;
use crate::spec::Spec;
use crate::supervise::{unix_time_ms, Supervision};
use crate::sys::{self, Forked};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub const CONTROL_SOCKET: &str = "control.sock";
pub const CONSOLE_SOCKET: &str = "console.sock";

/// Starts the child in the current directory. After a failure nothing of it runs and the record says `failed`.
pub fn start(spec: &Spec) -> Result<Supervision, Failure> {
    let mut life = Life {
        name: spec.name.clone(),
        launcher_pid: std::process::id() as i32,
        child: None,
        boot_id: identity::boot_id().or_fail(Code::Record, "boot id")?,
        started_at_ms: unix_time_ms(),
    };
    let record = record::allocate(&life.to_json(&State::Starting)).or_fail(Code::Record, "allocate the record")?;
    start_recorded(spec, &mut life, &record).inspect_err(|failure| {
        remove_sockets();
        // The failure itself is answered; a record that can't be written can't add to it.
        let _ = write_record(&record, &life, &State::Failed(failure));
    })
}

/// Removes what clients connect to. Called when nobody will accept any more.
pub fn remove_sockets() {
    for path in [CONTROL_SOCKET, CONSOLE_SOCKET] {
        // A socket that stays is replaced by the next launch.
        let _ = fds::remove_socket(Path::new(path));
    }
}

fn write_record(record: &File, life: &Life, state: &State<'_>) -> io::Result<()> {
    record.write_all_at(&record::block(&life.to_json(state))?, 0)
}

fn start_recorded(spec: &Spec, life: &mut Life, record: &File) -> Result<Supervision, Failure> {
    // Before any socket exists: the scribe must not keep one open.
    let scribe = Scribe::start(spec.ring_bytes).or_fail(Code::Record, "start the scribe")?;
    let control = listen(CONTROL_SOCKET).and_then(Clients::new).or_fail(Code::Socket, CONTROL_SOCKET)?;
    let (console, console_of_child) = if spec.console { open_console()? } else { (None, None) };
    let (log, log_of_child) = sys::pipe().or_fail(Code::Fd, "pipe")?;
    sys::set_nonblocking(log.as_fd()).or_fail(Code::Fd, "pipe")?;
    let (channel, channel_of_child) = sys::socket_pair(libc::SOCK_SEQPACKET).or_fail(Code::Fd, "socketpair")?;
    let inheritance = Inheritance { channel: channel_of_child, log: log_of_child, console: console_of_child };

    spec.namespaces.iter().filter(|namespace| namespace.kind == Kind::Pid).try_for_each(namespaces::enter)?;
    let pid = match sys::fork().or_fail(Code::Exec, "fork")? {
        Forked::Child => {
            // The child's wait ends when the keeper dies only if the child itself does not hold the keeper's end.
            drop(channel);
            child::run(spec, &inheritance)
        }
        Forked::Parent(pid) => pid,
    };
    drop(inheritance);
    let pidfd = sys::pidfd_open(pid).or_fail(Code::Exec, "pidfd_open")?;
    let begun = identity::start_time(pid).or_fail(Code::Record, "start time").and_then(|start_time| {
        life.child = Some((pid, start_time));
        // Written before the child may go on: whatever dies from here on, the record leads to the child.
        write_record(record, life, &State::Starting).or_fail(Code::Record, "write the record")?;
        await_exec(&channel)?;
        write_record(record, life, &State::Running).or_fail(Code::Record, "write the record")
    });
    if let Err(failure) = begun {
        abandon(channel, &pidfd, pid);
        return Err(failure);
    }
    Ok(Supervision { life: life.clone(), pid, pidfd, log: Some(log), console, control, scribe })
}

fn listen(path: &str) -> io::Result<std::os::unix::net::UnixListener> {
    fds::listen(Path::new(path), 0o600)
}

fn open_console() -> Result<(Option<Console>, Option<OwnedFd>), Failure> {
    let (ours, theirs) = sys::socket_pair(libc::SOCK_STREAM).or_fail(Code::Fd, "socketpair")?;
    let console =
        listen(CONSOLE_SOCKET).and_then(|listener| Console::new(ours, listener)).or_fail(Code::Socket, CONSOLE_SOCKET)?;
    Ok((Some(console), Some(theirs)))
}

/// Lets the child go on and waits until execve has closed its end of the channel.
fn await_exec(channel: &OwnedFd) -> Result<(), Failure> {
    sys::send(channel.as_fd(), b"g").or_fail(Code::Exec, "let the child go on")?;
    let mut about_to_exec = false;
    let mut packet = [0; 4096];
    loop {
        match sys::read(channel.as_fd(), &mut packet).or_fail(Code::Exec, "hear from the child")? {
            0 if about_to_exec => return Ok(()),
            0 => return Err(Failure::new(Code::Exec, "the child died before execve")),
            length if &packet[..length] == ABOUT_TO_EXEC => about_to_exec = true,
            length => return Err(reported(&String::from_utf8_lossy(&packet[..length]))),
        }
    }
}

/// `CODE MESSAGE` as the child sent it.
fn reported(report: &str) -> Failure {
    let (code, message) = report.split_once(' ').unwrap_or(("exec", report));
    Failure::new(Code::parse(code).unwrap_or(Code::Exec), message)
}

/// Ends a child that did not come to execve, or whose start could not be written down.
fn abandon(channel: OwnedFd, pidfd: &OwnedFd, pid: i32) {
    drop(channel);
    // It may have ended by itself; then the signal has no target and the wait returns at once.
    let _ = sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
    // SAFETY: waits for our own child; no status is wanted.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}
