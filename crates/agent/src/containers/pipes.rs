//! The three streams of a new process, and the status pipe that tells of its exec.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use nix::fcntl::{fcntl, OFlag, F_SETFL, F_SETPIPE_SZ};
use nix::unistd::pipe2;
use tokio::io::unix::AsyncFd;

use crate::descriptor::watched;
use crate::process::task::Streams;

/// Room in an output pipe: few and large reads, also when agent and process take turns on one cpu.
const PIPE: i32 = 256 * 1024;

/// Our ends, and those of the process in the order in which the runtime takes them.
pub struct Ends {
    pub status: AsyncFd<OwnedFd>,
    pub streams: Option<Streams>,
    pub theirs: Vec<OwnedFd>,
}

/// With `terminal` there is the status pipe alone: the streams come with the terminal's master.
pub fn open(terminal: bool) -> io::Result<Ends> {
    let (status, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    let mut ends = Ends { status: ours(status)?, streams: None, theirs: vec![theirs] };
    if !terminal {
        let (stdin_read, stdin_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (stdout_read, stdout_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (stderr_read, stderr_write) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(stdout_read.as_raw_fd(), F_SETPIPE_SZ(PIPE))?;
        ends.theirs.extend([stdin_read, stdout_write, stderr_write]);
        ends.streams = Some(Streams {
            stdin: Rc::new(ours(stdin_write)?),
            stdout: Rc::new(ours(stdout_read)?),
            stderr: Some(Rc::new(ours(stderr_read)?)),
        });
    }
    Ok(ends)
}

/// The streams of a process with a terminal.
pub fn terminal(master: OwnedFd) -> io::Result<Streams> {
    let master = Rc::new(ours(master)?);
    Ok(Streams { stdin: master.clone(), stdout: master, stderr: None })
}

fn ours(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    fcntl(fd.as_raw_fd(), F_SETFL(OFlag::O_NONBLOCK))?;
    watched(fd)
}

/// Why the process could not execute its command; None once it did, or died before it could.
pub async fn exec_error(status: &AsyncFd<OwnedFd>) -> io::Result<Option<nix::Error>> {
    loop {
        let mut guard = status.readable().await?;
        let mut errno = [0; 4];
        match guard.try_io(|fd| Ok(nix::unistd::read(fd.as_raw_fd(), &mut errno)?)) {
            Ok(Ok(4)) => return Ok(Some(nix::Error::from_raw(i32::from_ne_bytes(errno)))),
            Ok(result) => return result.map(|_| None),
            Err(_would_block) => {}
        }
    }
}
