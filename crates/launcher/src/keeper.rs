//! The process that stays: detached from everything, parent of the child.

use crate::failure::{Code, OrFail};
use crate::spec::Spec;
use crate::start;
use crate::sys;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// First byte of what the keeper tells the front: the front's exit code as a digit.
pub const STARTED: u8 = b'0';
pub const NOT_STARTED: u8 = b'1';

/// Runs the launch to its end and exits. `lock` is held meanwhile; `answer` is the pipe to the front.
pub fn run(spec: Spec, lock: File, mut answer: File) -> ! {
    let started = detach().or_fail(Code::Sandbox, "detach").and_then(|()| start::start(&spec));
    let (mark, line) = match &started {
        Ok(supervision) => (STARTED, supervision.answer().to_string()),
        Err(failure) => (NOT_STARTED, failure.line()),
    };
    // The front may have been killed; the child runs all the same and a second launch finds it.
    let _ = answer.write_all(&[&[mark], line.as_bytes()].concat());
    drop(answer);
    drop(spec);
    // What the spec took goes back to the kernel; the keeper stays for days.
    sys::release_memory();
    let ended = started.map(|supervision| supervision.run());
    drop(lock);
    sys::exit_now(i32::from(!matches!(ended, Ok(Ok(())))))
}

fn detach() -> io::Result<()> {
    // SAFETY: setsid changes this process only.
    sys::check(unsafe { libc::setsid() })?;
    sys::set_process_name(c"viv-launcher")?;
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGPIPE] {
        sys::set_signal(signal, libc::SIG_IGN);
    }
    // Inherited as ignored, SIGCHLD would make the kernel reap the child for us and lose its status.
    sys::set_signal(libc::SIGCHLD, libc::SIG_DFL);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    (0..3).try_for_each(|standard| sys::replace_standard(null.as_fd(), standard))
}
