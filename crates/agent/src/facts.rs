//! What the agent can say of itself and its guest.

use std::cell::Cell;
use std::fs;

use crate::link::search::{Token, TOKEN};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The kata protocol's own version word.
pub const PROTOCOL_VERSION: &str = "0.0.1";
/// What a host may rely on beyond the kata protocol. `names-v1`: boot/names.rs, and a file is mounted where a link leads nowhere yet.
/// `devices-v1`: rpc/devices.rs. `nodes-v1`: devices/nodes.rs. `pci-v1`: devices/function.rs. `rules-v1`: cgroup/devices.rs.
pub const FEATURES: [&str; 8] = ["streams-v1", "link-v1", "cgroup2", "names-v1", "devices-v1", "nodes-v1", "pci-v1", "rules-v1"];

pub struct Facts {
    pub is_init: bool,
    /// Seconds since the guest's kernel started.
    pub started: f64,
    pub ready: Cell<f64>,
    /// Names this agent process.
    pub instance: Token,
}

impl Facts {
    pub fn new(is_init: bool) -> Facts {
        Facts { is_init, started: uptime(), ready: Cell::new(0.0), instance: random() }
    }
}

/// Seconds since the kernel started, sleep included.
pub fn uptime() -> f64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map_or(0.0, |now| now.tv_sec() as f64 + now.tv_nsec() as f64 / 1e9)
}

/// The first word of a file of the kernel, or nothing.
pub fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Random bits that name, and keep no secret: so they need not wait for the kernel to have gathered enough of them.
fn random() -> Token {
    let mut token = [0; TOKEN];
    // SAFETY: the buffer lives for the call and is as long as told.
    unsafe { libc::getrandom(token.as_mut_ptr().cast(), token.len(), libc::GRND_INSECURE) };
    token
}
