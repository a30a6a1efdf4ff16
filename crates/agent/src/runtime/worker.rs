//! A worker: one job, done with libcontainer, in a process of its own.

use std::error::Error;
use std::fs;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::container::Container;
use libcontainer::hooks::run_hooks;
use libcontainer::oci_spec::runtime::{LinuxSeccomp, Spec};
use libcontainer::syscall::syscall::SyscallType;
use nix::sys::signal::{signal, SigHandler, Signal};
use nix::sys::socket::{recvmsg, ControlMessageOwned, MsgFlags, UnixAddr};

use super::executor::Command;
use super::fdsocket::send;
use super::job::{Answer, Job};
use super::namespaces;
use super::trace::Trace;

type Failure = Box<dyn Error>;

/// What a job came to.
#[derive(Default)]
struct Outcome {
    pid: Option<i32>,
    master: Option<OwnedFd>,
}

/// Does the job and ends. `fds`: the answer's socket, then the job's own.
pub fn main(job: Job, mut fds: Vec<OwnedFd>) -> ! {
    if fds.is_empty() {
        std::process::exit(1);
    }
    let answers = fds.remove(0);
    let code = match work(job, fds, answers.as_fd()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("viv-agent: worker: {error}");
            1
        }
    };
    std::process::exit(code)
}

fn work(job: Job, fds: Vec<OwnedFd>, answers: BorrowedFd<'_>) -> Result<(), Failure> {
    // SAFETY: the default disposition installs no handler.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let pidfd = own_pidfd()?;
    send(answers, &Answer::Working, &[pidfd.as_raw_fd()])?;
    drop(pidfd);
    let trace = Trace::begin()?;
    match run(job, fds) {
        Ok(outcome) => {
            let master: Vec<RawFd> = outcome.master.iter().map(AsRawFd::as_raw_fd).collect();
            send(answers, &Answer::Done { pid: outcome.pid }, &master)?;
        }
        Err(error) => {
            let mut reason = chain(error.as_ref());
            if let Some(cause) = trace.first() {
                reason = format!("{cause} ({reason})");
            }
            reason.truncate(reason.floor_char_boundary(4096));
            send(answers, &Answer::Failed { reason }, &[])?;
        }
    }
    // Until the agent hangs up, the new process stays our child: its pid cannot become another's before it is registered.
    nix::unistd::read(answers.as_raw_fd(), &mut [0])?;
    Ok(())
}

fn own_pidfd() -> nix::Result<OwnedFd> {
    // SAFETY: plain numbers; the answer is a descriptor that nobody else owns.
    let fd = nix::Error::result(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) })?;
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// An error and its causes in one line, each part once.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

fn run(job: Job, fds: Vec<OwnedFd>) -> Result<Outcome, Failure> {
    match job {
        Job::Create { id, bundle, states, terminal } => {
            let console = Console::listen(&states, terminal)?;
            let builder = builder(&id, &states, fds, &console, None)?.as_init(bundle).with_systemd(false).with_detach(true);
            let container = builder.build()?;
            let pid = container.pid().ok_or("the container has no process")?.as_raw();
            Ok(Outcome { pid: Some(pid), master: console.master()? })
        }
        Job::Start { id, states } => {
            Container::load(states.join(id))?.start()?;
            Ok(Outcome::default())
        }
        Job::Exec { id, states, process, terminal, seccomp } => {
            let console = Console::listen(&states, terminal)?;
            let filter = if seccomp { filter_of(&states.join(&id))? } else { None };
            let builder = builder(&id, &states, fds, &console, filter)?.as_tenant();
            let pid = builder.with_detach(true).with_process(Some(process)).build()?.as_raw();
            Ok(Outcome { pid: Some(pid), master: console.master()? })
        }
        Job::Stopped { id, states } => {
            let container = Container::load(states.join(id))?;
            let hooks = Spec::load(container.bundle().join("config.json"))?.hooks().clone();
            let poststop = hooks.as_ref().and_then(|hooks| hooks.poststop().as_ref());
            run_hooks(poststop, Some(&container.state), None, None, None)?;
            Ok(Outcome::default())
        }
        Job::Namespaces { directory, hostname, pid } => {
            Ok(Outcome { pid: namespaces::create(&directory, &hostname, pid)?, master: None })
        }
    }
}

/// The seccomp filter that a container was created with.
fn filter_of(state: &Path) -> Result<Option<LinuxSeccomp>, Failure> {
    let container = Container::load(state.to_owned())?;
    let spec = Spec::load(container.bundle().join("config.json"))?;
    Ok(spec.linux().as_ref().and_then(|linux| linux.seccomp().clone()))
}

fn builder(
    id: &str,
    states: &Path,
    fds: Vec<OwnedFd>,
    console: &Console,
    seccomp: Option<LinuxSeccomp>,
) -> Result<ContainerBuilder, Failure> {
    let mut fds = fds.into_iter();
    // The status descriptor lives in the new process alone: it is closed there by exec, and here with this process.
    let status = fds.next().ok_or("the job came without its status descriptor")?.into_raw_fd();
    let mut builder = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(states)?
        .with_executor(Command { status, seccomp })
        .with_console_socket(console.path.as_ref())
        .validate_id()?;
    if console.path.is_none() {
        let mut stream = || fds.next().ok_or("the job came without its streams");
        builder = builder.with_stdin(stream()?).with_stdout(stream()?).with_stderr(stream()?);
    }
    Ok(builder)
}

/// Where a new process hands over the master of its terminal.
struct Console {
    path: Option<PathBuf>,
    listener: Option<UnixListener>,
}

impl Console {
    fn listen(states: &Path, wanted: bool) -> std::io::Result<Console> {
        if !wanted {
            return Ok(Console { path: None, listener: None });
        }
        let path = states.join(format!("console-{}", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        Ok(Console { path: Some(path), listener: Some(listener) })
    }

    /// The process connected before it was started and has sent by now, so this does not wait for it.
    fn master(self) -> Result<Option<OwnedFd>, Failure> {
        let Some(listener) = &self.listener else {
            return Ok(None);
        };
        let (stream, _) = listener.accept()?;
        Ok(Some(receive_fd(&stream)?))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            if let Err(error) = fs::remove_file(path) {
                eprintln!("viv-agent: worker: {}: {error}", path.display());
            }
        }
    }
}

fn receive_fd(stream: &UnixStream) -> Result<OwnedFd, Failure> {
    let mut bytes = [0; 4096];
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            if let Some(&fd) = fds.first() {
                // SAFETY: the kernel has just made this descriptor for us.
                return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    Err("the process sent no terminal".into())
}
