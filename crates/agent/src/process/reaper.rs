//! Reaps every child, and tells those who wait for one of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use crate::descriptor::watched;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::sync::oneshot;

/// Only the reaper waits for children, so a pid that is registered here is that process, alive or unreaped: never another one
/// that got the number later.
#[derive(Default)]
pub struct Reaper {
    waiting: RefCell<HashMap<i32, oneshot::Sender<i32>>>,
}

impl Reaper {
    /// The wait status will come through the receiver. The process must not be able to be reaped before this call: it is still
    /// the child of a worker that waits for us.
    pub fn register(&self, pid: i32) -> oneshot::Receiver<i32> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(pid, sender);
        receiver
    }

    /// Sends a signal to a registered process. A process that has ended is not an error.
    pub fn signal(&self, pid: i32, signal: i32) -> nix::Result<()> {
        if !self.waiting.borrow().contains_key(&pid) {
            return Ok(());
        }
        // SAFETY: kill takes plain numbers.
        match Errno::result(unsafe { libc::kill(pid, signal) }) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn reap(&self) {
        loop {
            let mut status = 0;
            // SAFETY: status lives for the call.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            if pid <= 0 {
                return;
            }
            if let Some(waiter) = self.waiting.borrow_mut().remove(&pid) {
                // Nobody listens when the container was removed meanwhile.
                let _nobody = waiter.send(status);
            }
        }
    }
}

/// The signals of the agent itself, as a descriptor. Must be made before any thread starts, so that all of them block these.
pub struct Signals(SignalFd);

impl Signals {
    pub fn block() -> nix::Result<Signals> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGPWR] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// Reaps until a signal asks for the end.
    pub async fn run(self, reaper: Rc<Reaper>) -> io::Result<()> {
        let fd = watched(self.0.as_fd().try_clone_to_owned()?)?;
        reaper.reap();
        loop {
            let mut guard = fd.readable().await?;
            while let Some(info) = self.0.read_signal()? {
                if info.ssi_signo != Signal::SIGCHLD as u32 {
                    return Ok(());
                }
            }
            guard.clear_ready();
            reaper.reap();
        }
    }
}
