//! Work that the first answer does not wait for: kernel modules that only containers need.

use tokio::sync::watch;

use crate::boot::modules;
use crate::devices::scsi;

/// Ends once the late work is done.
pub struct Late {
    done: watch::Receiver<bool>,
}

impl Late {
    /// Nothing to wait for.
    pub fn none() -> Late {
        Late { done: watch::channel(true).1 }
    }

    /// Loads the late modules on a thread of its own.
    pub fn begin() -> std::io::Result<Late> {
        let (sender, receiver) = watch::channel(false);
        std::thread::Builder::new().name("late-modules".into()).stack_size(64 * 1024).spawn(move || {
            for failure in modules::load(modules::LATE) {
                eprintln!("viv-agent: module {failure}");
            }
            // Containers on disks are to come.
            if scsi::is_on_bus() {
                modules::load_for_disks();
            }
            sender.send_replace(true);
        })?;
        Ok(Late { done: receiver })
    }

    pub async fn done(&self) {
        let mut receiver = self.done.clone();
        // The sender goes away with its thread, done or broken down: either way there is nothing to wait for any more.
        if receiver.wait_for(|done| *done).await.is_err() {
            eprintln!("viv-agent: loading the late modules broke down");
        }
    }
}
