//! Descriptors 0 to 2 of PID 1.

use nix::fcntl::{open, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{close, dup2};

/// Input from nowhere, output to the console, or nowhere when there is none. The kernel may have started us with any of the
/// three closed, and a file opened later must never take such a number.
pub fn settle() -> nix::Result<()> {
    let null = open("/dev/null", OFlag::O_RDWR, Mode::empty())?;
    let console = open("/dev/console", OFlag::O_WRONLY | OFlag::O_NOCTTY, Mode::empty()).unwrap_or(null);
    for (from, to) in [(null, 0), (console, 1), (console, 2)] {
        if from != to {
            dup2(from, to)?;
        }
    }
    for fd in [null, console] {
        if fd > 2 {
            // The same number may stand here twice: the second close says EBADF, which is no harm.
            match close(fd) {
                Ok(()) | Err(nix::Error::EBADF) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
