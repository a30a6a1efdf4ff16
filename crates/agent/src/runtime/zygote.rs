//! The zygote: takes jobs, forks a worker for each.

use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{signal, SigHandler, SigSet, Signal};
use nix::unistd::{fork, ForkResult};

use super::fdsocket::{pair, receive};
use super::job::Job;
use super::worker;

/// The command line word that makes a process of this program a zygote, on the socket that is its descriptor 3.
pub const WORD: &str = "--zygote";
const SOCKET: i32 = 3;

/// Forks the zygote. The caller must not have started a thread yet. Answers the socket that takes jobs.
pub fn launch() -> nix::Result<OwnedFd> {
    let (ours, theirs) = pair()?;
    // SAFETY: this process has one thread, so the child may do all that its parent may.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(ours),
        ForkResult::Child => {
            drop(ours);
            serve(theirs)
        }
    }
}

/// Starts another zygote from a process that has threads by now, as a new program.
pub fn relaunch() -> std::io::Result<OwnedFd> {
    let (ours, theirs) = pair()?;
    let theirs = theirs.into_raw_fd();
    let mut command = Command::new("/proc/self/exe");
    command.arg(WORD).env_clear();
    // SAFETY: dup2 may be called between fork and exec.
    unsafe { command.pre_exec(move || nix::unistd::dup2(theirs, SOCKET).map(drop).map_err(Into::into)) };
    let child = command.spawn();
    nix::unistd::close(theirs)?;
    child.map(|_| ours)
}

/// What a process does that was started with `WORD`.
pub fn main() -> ! {
    // SAFETY: by agreement with `relaunch`, descriptor 3 is the socket and nothing else uses it.
    serve(unsafe { OwnedFd::from_raw_fd(SOCKET) })
}

fn serve(jobs: OwnedFd) -> ! {
    if let Err(error) = settle() {
        eprintln!("viv-agent: zygote: {error}");
        std::process::exit(1);
    }
    loop {
        match receive::<Job>(jobs.as_fd()) {
            Ok(Some((job, fds))) => start(job, fds, &jobs),
            Ok(None) => std::process::exit(0),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A job that cannot be read: its answer's socket is closed with it, which is the answer.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => eprintln!("viv-agent: zygote: {error}"),
            Err(error) => {
                eprintln!("viv-agent: zygote: {error}");
                std::process::exit(1);
            }
        }
    }
}

/// No variables that a container could inherit, no blocked signals, and workers that are reaped by the kernel.
fn settle() -> nix::Result<()> {
    // SAFETY: this process has one thread.
    unsafe { nix::env::clearenv() }.map_err(|_| nix::Error::ENOMEM)?;
    SigSet::all().thread_unblock()?;
    nix::sys::prctl::set_name(c"viv-zygote")?;
    // A guest without memory shall lose containers, not what could remove them. Containers get the value of their own spec.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "-1000") {
        eprintln!("viv-agent: zygote: oom_score_adj: {error}");
    }
    // SAFETY: ignoring a signal installs no handler.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map(drop)
}

fn start(job: Job, fds: Vec<OwnedFd>, jobs: &OwnedFd) {
    // SAFETY: this process has one thread, so the child may do all that its parent may.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { .. }) => drop(fds),
        Ok(ForkResult::Child) => {
            if let Err(error) = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(jobs)) {
                eprintln!("viv-agent: worker: {error}");
            }
            worker::main(job, fds)
        }
        Err(error) => eprintln!("viv-agent: zygote: fork: {error}"),
    }
}
