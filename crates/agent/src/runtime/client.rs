//! The agent's side of the runtime: hands jobs to the zygote and waits for the workers' answers.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use super::fdsocket::{pair, receive, send};
use super::job::{Answer, Job};
use super::zygote;
use crate::descriptor::watched;
use crate::ttrpc::status::{Result, Status};

/// No job takes longer in a guest that works; a mount that hangs must not hold a call for ever.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Runtime {
    zygote: RefCell<OwnedFd>,
}

/// A job that was done. Its worker, parent of the new process, lives until this is dropped: register the process first.
pub struct Done {
    pub pid: Option<i32>,
    pub master: Option<OwnedFd>,
    _worker: AsyncFd<OwnedFd>,
}

impl Runtime {
    pub fn new(zygote: OwnedFd) -> Runtime {
        Runtime { zygote: RefCell::new(zygote) }
    }

    /// Has a job done. `cancel` ends it early, as its time limit does: by the worker's death.
    pub async fn run(&self, job: &Job, fds: Vec<OwnedFd>, cancel: &Notify) -> Result<Done> {
        let (ours, theirs) = pair().map_err(|e| Status::os("runtime", e))?;
        self.submit(job, &theirs, &fds).map_err(|e| Status::os("runtime", e))?;
        drop((theirs, fds));
        nix::fcntl::fcntl(ours.as_raw_fd(), nix::fcntl::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .map_err(|e| Status::os("runtime", e))?;
        let answers = watched(ours).map_err(|e| Status::os("runtime", e))?;
        let worker = match next(&answers).await? {
            (Answer::Working, fds) => fds.into_iter().next(),
            (answer, _) => return finish(answer, None, answers),
        };
        let ended = tokio::select! {
            biased;
            answer = next(&answers) => Ok(answer?),
            () = cancel.notified() => Err(Status::aborted("the container is being removed")),
            () = tokio::time::sleep(LIMIT) => Err(Status::deadline("the runtime did not finish in time")),
        };
        match ended {
            Ok((answer, fds)) => finish(answer, fds.into_iter().next(), answers),
            Err(status) => {
                if let Some(worker) = worker {
                    kill(&worker).map_err(|e| Status::os(&status, e))?;
                }
                Err(status)
            }
        }
    }

    fn submit(&self, job: &Job, answers: &OwnedFd, fds: &[OwnedFd]) -> io::Result<()> {
        let all: Vec<_> = std::iter::once(answers).chain(fds).map(AsRawFd::as_raw_fd).collect();
        let first = send(self.zygote.borrow().as_fd(), job, &all);
        match first {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                eprintln!("viv-agent: the zygote has died; starting another");
                *self.zygote.borrow_mut() = zygote::relaunch()?;
                send(self.zygote.borrow().as_fd(), job, &all)
            }
            other => other,
        }
    }
}

fn finish(answer: Answer, master: Option<OwnedFd>, worker: AsyncFd<OwnedFd>) -> Result<Done> {
    match answer {
        Answer::Done { pid } => Ok(Done { pid, master, _worker: worker }),
        Answer::Failed { reason } => Err(Status::internal(reason)),
        Answer::Working => Err(Status::internal("the runtime's worker spoke out of turn")),
    }
}

async fn next(answers: &AsyncFd<OwnedFd>) -> Result<(Answer, Vec<OwnedFd>)> {
    loop {
        let mut guard = answers.readable().await.map_err(|e| Status::os("runtime", e))?;
        match guard.try_io(|socket| receive(socket.as_fd())) {
            Ok(Ok(Some(message))) => return Ok(message),
            Ok(Ok(None)) => return Err(Status::internal("the runtime's worker died")),
            Ok(Err(error)) => return Err(Status::os("runtime", error)),
            Err(_would_block) => {}
        }
    }
}

fn kill(pidfd: &OwnedFd) -> nix::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed; the rest are plain numbers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, info, 0) };
    match nix::Error::result(result) {
        Ok(_) | Err(nix::Error::ESRCH) => Ok(()),
        Err(error) => Err(error),
    }
}
