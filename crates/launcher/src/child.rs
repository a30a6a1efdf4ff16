//! The child between fork and execve: everything that makes it what the spec says.

use crate::credentials;
use crate::failure::{Code, Failure, OrFail};
use crate::fds;
use crate::limits;
use crate::namespaces::{self, Kind};
use crate::spec::{self, Spec};
use crate::sys;
use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What the child tells the keeper before execve closes the channel.
pub const ABOUT_TO_EXEC: &[u8] = b"exec";

/// What the keeper prepared for the child.
pub struct Inheritance {
    /// Both the word to go on and the report of a failure pass here; execve closes it.
    pub channel: OwnedFd,
    /// Where stdout and stderr go.
    pub log: OwnedFd,
    pub console: Option<OwnedFd>,
}

/// Waits for the keeper's word, then becomes the program. Returns never.
pub fn run(spec: &Spec, inheritance: &Inheritance) -> ! {
    let mut word = [0; 1];
    // No word: the keeper died before it could write down that we exist.
    if !matches!(sys::read(inheritance.channel.as_fd(), &mut word), Ok(1)) {
        sys::exit_now(1);
    }
    let failure = match become_program(spec, inheritance) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    // When the keeper is gone too, nobody is left to hear it.
    let _ = sys::send(inheritance.channel.as_fd(), format!("{} {}", failure.code.name(), failure.message).as_bytes());
    sys::exit_now(1)
}

fn become_program(spec: &Spec, inheritance: &Inheritance) -> Result<Infallible, Failure> {
    sys::close_all_on_exec().or_fail(Code::Fd, "close_range")?;
    // A session of its own: a stopped child would get SIGHUP when its keeper dies and leaves the group orphaned.
    // SAFETY: setsid changes this process only.
    sys::check(unsafe { libc::setsid() }).or_fail(Code::Sandbox, "setsid")?;
    reset_signals();
    join_cgroups(spec)?;
    adjust_oom_score(spec)?;
    spec.rlimits.iter().try_for_each(|limit| limits::apply(*limit))?;

    // Files are opened where the host's paths are: in the new network namespace (a tap belongs to its opener's), before the new mounts.
    enter_namespaces(spec, |kind| kind != Kind::Mount && kind != Kind::Pid)?;
    let opened = spec.fds.iter().map(|fd| Ok((fd.name.as_str(), fds::open(fd)?))).collect::<Result<Vec<_>, Failure>>()?;
    enter_namespaces(spec, |kind| kind == Kind::Mount)?;

    // SAFETY: a C string, and an integer.
    sys::check(unsafe { libc::chdir(spec.cwd.as_ptr()) })
        .or_fail(Code::Sandbox, format_args!("chdir {}", spec.cwd.to_string_lossy()))?;
    connect_standard(inheritance.log.as_fd()).or_fail(Code::Fd, "standard descriptors")?;
    let mut named: Vec<(&str, BorrowedFd<'_>)> = opened.iter().map(|(name, fd)| (*name, fd.as_fd())).collect();
    if let Some(console) = &inheritance.console {
        sys::keep_over_exec(console.as_fd()).or_fail(Code::Fd, "console")?;
        named.push((spec::CONSOLE_FD, console.as_fd()));
    }
    let argv = arguments(spec, &named)?;
    // SAFETY: takes an integer, can't fail.
    unsafe { libc::umask(spec.umask) };
    credentials::apply(spec)?;
    sys::send(inheritance.channel.as_fd(), ABOUT_TO_EXEC).or_fail(Code::Exec, "report to the keeper")?;
    Err(execute(&argv, &spec.env))
}

/// All signals do what they do by default, but SIGPIPE stays ignored: once the keeper is dead, a line on stderr must not end the child.
fn reset_signals() {
    for signal in 1..=64 {
        if signal != libc::SIGPIPE {
            sys::set_signal(signal, libc::SIG_DFL);
        }
    }
    // SAFETY: an empty set is valid; the call changes this process's mask only.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// `0` in a procs file means the writer, in v1 and v2 and in any pid namespace.
fn join_cgroups(spec: &Spec) -> Result<(), Failure> {
    spec.cgroups.iter().try_for_each(|procs| write_existing(procs, "0").or_fail(Code::Cgroup, procs))
}

fn adjust_oom_score(spec: &Spec) -> Result<(), Failure> {
    let Some(score) = spec.oom_score_adj else { return Ok(()) };
    match write_existing("/proc/self/oom_score_adj", &score.to_string()) {
        Err(error) if score < 0 && matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM)) => Ok(()),
        other => other.or_fail(Code::Sandbox, "oom_score_adj"),
    }
}

fn write_existing(path: &str, text: &str) -> io::Result<()> {
    io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(path)?, text.as_bytes())
}

fn enter_namespaces(spec: &Spec, wanted: impl Fn(Kind) -> bool) -> Result<(), Failure> {
    spec.namespaces.iter().filter(|namespace| wanted(namespace.kind)).try_for_each(namespaces::enter)
}

fn connect_standard(log: BorrowedFd<'_>) -> io::Result<()> {
    let null = fs::File::open("/dev/null")?;
    sys::replace_standard(null.as_fd(), 0)?;
    sys::replace_standard(log, 1)?;
    sys::replace_standard(log, 2)
}

fn arguments(spec: &Spec, named: &[(&str, BorrowedFd<'_>)]) -> Result<Vec<CString>, Failure> {
    let number_of = |wanted: &str| named.iter().find(|(name, _)| *name == wanted).map(|(_, fd)| fd.as_raw_fd());
    let argument = |text: &String| {
        let text = spec::substitute(text, number_of).or_fail(Code::BadSpec, "argv")?;
        CString::new(text).or_fail(Code::BadSpec, "argv")
    };
    spec.argv.iter().map(argument).collect()
}

/// execve(2). Returns only to say why it failed.
fn execute(argv: &[CString], env: &[CString]) -> Failure {
    let pointers = |texts: &[CString]| {
        let mut list: Vec<*const libc::c_char> = texts.iter().map(|text| text.as_ptr()).collect();
        list.push(std::ptr::null());
        list
    };
    let (arguments, environment) = (pointers(argv), pointers(env));
    // SAFETY: both lists end with null and, with their strings, outlive the call. The spec's argv is never empty.
    unsafe { libc::execve(arguments[0], arguments.as_ptr(), environment.as_ptr()) };
    Failure::new(Code::Exec, format_args!("{}: {}", argv[0].to_string_lossy(), io::Error::last_os_error()))
}
