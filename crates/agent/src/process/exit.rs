//! How a process ended.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::proto::vivarium::agent::v1 as agent;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// 0 to 255; 128 + signal when a signal ended it.
    pub status: i32,
    /// Since 1970.
    pub at: (i64, i32),
    pub oom_killed: bool,
}

impl Exit {
    pub fn now(status: i32, oom_killed: bool) -> Exit {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos() as i32);
        Exit { status, at, oom_killed }
    }

    /// With where the streams ended.
    pub fn message(&self, stdout_end: u64, stderr_end: u64) -> agent::Exit {
        agent::Exit {
            status: self.status,
            exited_at: Some(prost_types::Timestamp { seconds: self.at.0, nanos: self.at.1 }),
            oom_killed: self.oom_killed,
            stdout_end,
            stderr_end,
        }
    }
}

/// A wait status as the kata protocol spells it.
pub fn status_of(raw: i32) -> i32 {
    if libc::WIFSIGNALED(raw) {
        128 + libc::WTERMSIG(raw)
    } else {
        libc::WEXITSTATUS(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_counts_from_128() {
        assert_eq!(status_of(7 << 8), 7);
        assert_eq!(status_of(9), 137);
    }
}
