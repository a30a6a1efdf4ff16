//! The last step of a new process: it becomes the command, or tells why it cannot.

use std::ffi::CString;
use std::os::fd::RawFd;

use libcontainer::oci_spec::runtime::{LinuxSeccomp, Spec};
use libcontainer::seccomp::initialize_seccomp;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};

/// Executes the command of the spec. When that fails the errno goes into `status` (4 bytes, native order); when it succeeds the
/// kernel closes `status`, which is marked close-on-exec by then.
#[derive(Clone)]
pub struct Command {
    pub status: RawFd,
    /// A filter to be set here. The runtime sets that of a container's init by itself, and forgets it for what comes later.
    pub seccomp: Option<LinuxSeccomp>,
}

impl Command {
    fn fail(&self, errno: nix::Error) -> ! {
        let told = (errno as i32).to_ne_bytes();
        // SAFETY: the buffer lives for the call; the process ends here, whether the agent hears of it or not.
        unsafe {
            libc::write(self.status, told.as_ptr().cast(), told.len());
            libc::_exit(127)
        }
    }
}

/// Capabilities are dropped by now, so the kernel takes a filter only from a process that can gain no more.
fn confine(filter: &LinuxSeccomp) -> Result<(), Box<dyn std::error::Error>> {
    nix::sys::prctl::set_no_new_privs()?;
    initialize_seccomp(filter)?;
    Ok(())
}

impl Executor for Command {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let args = arguments(spec)?;
        let program = args.first().ok_or(ExecutorError::InvalidArg)?;
        // SAFETY: dispositions are plain numbers; Rust's start-up code set SIGPIPE to be ignored, which exec would hand on.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        if let Some(filter) = &self.seccomp {
            if confine(filter).is_err() {
                self.fail(nix::Error::EPERM);
            }
        }
        let Err(errno) = nix::unistd::execvp(program, &args);
        self.fail(errno)
    }

    /// Whether the command can be executed shows at `exec`.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        arguments(spec).map(drop).map_err(|error| ExecutorValidationError::ArgValidationError(error.to_string()))
    }
}

fn arguments(spec: &Spec) -> Result<Vec<CString>, ExecutorError> {
    let args = spec.process().as_ref().and_then(|process| process.args().as_ref()).ok_or(ExecutorError::InvalidArg)?;
    args.iter().map(|arg| CString::new(arg.as_bytes()).map_err(|_| ExecutorError::InvalidArg)).collect()
}
