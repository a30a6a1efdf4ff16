//! The end of the guest.

use nix::sys::reboot::{reboot, RebootMode};

/// Writes out what is cached and switches the machine off. Comes back only when the kernel refuses, or when this is not a guest.
pub fn off() -> nix::Error {
    nix::unistd::sync();
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}
