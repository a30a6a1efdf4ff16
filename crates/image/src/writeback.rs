//! Sends large files to the disk as they are written, so that little is left to wait for when they are flushed.

use rustix::fs::{fadvise, Advice};
use std::fs::File;
use std::num::NonZeroU64;

/// Less than this is not worth a call.
const STEP: u64 = 4 << 20;

/// How far a file's bytes were sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writeback {
    sent: u64,
}

impl Writeback {
    pub fn starting(at: u64) -> Writeback {
        Writeback { sent: at }
    }

    /// Starts to write what came since the last step. Linux does so for dirty pages of which it is told that they are not needed;
    /// they stay readable from memory until they are clean (posix_fadvise(2), POSIX_FADV_DONTNEED).
    pub fn wrote(&mut self, file: &File, written: u64) {
        let Some(length) = written.checked_sub(self.sent).filter(|&length| length >= STEP) else { return };
        // A hint: where it is not known, the flush takes longer.
        if fadvise(file, self.sent, NonZeroU64::new(length), Advice::DontNeed).is_ok() {
            self.sent = written;
        }
    }
}
