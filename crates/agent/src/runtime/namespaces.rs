//! The namespaces that the containers of a sandbox share. A file that a namespace is bound to keeps it.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use nix::mount::{mount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::{fork, sethostname, ForkResult};

pub const IPC: &str = "ipc";
pub const UTS: &str = "uts";
pub const PID: &str = "pid";

/// Makes an ipc and a uts namespace, and with `pid` a pid namespace, bound to files in `directory`.
/// Answers the process that holds the pid namespace open. The caller is a process with one thread and changes namespaces.
pub fn create(directory: &Path, hostname: &str, pid: bool) -> Result<Option<i32>, Box<dyn Error>> {
    unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?;
    if !hostname.is_empty() {
        sethostname(hostname)?;
    }
    fs::create_dir_all(directory)?;
    bind("/proc/self/ns/ipc", &directory.join(IPC))?;
    bind("/proc/self/ns/uts", &directory.join(UTS))?;
    if !pid {
        return Ok(None);
    }
    unshare(CloneFlags::CLONE_NEWPID)?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => hold(),
        ForkResult::Parent { child } => {
            bind(&format!("/proc/{child}/ns/pid"), &directory.join(PID))?;
            Ok(Some(child.as_raw()))
        }
    }
}

fn bind(namespace: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    File::create(file)?;
    mount(Some(namespace), file, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}

/// Init of the shared pid namespace: reaps what is orphaned in it, for ever.
fn hold() -> ! {
    // SAFETY: the range is that of all descriptors; nothing here uses one again.
    unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    if children.thread_block().is_err() {
        std::process::exit(1);
    }
    loop {
        // A blocked signal waits for us: none that comes between two rounds is lost.
        if children.wait().is_err() {
            std::process::exit(1);
        }
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
    }
}
