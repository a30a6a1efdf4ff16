//! Watches for kills by the kernel for want of memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::group::{lookup, Group};
use crate::descriptor::watched;

/// How many processes of a container were killed for want of memory so far.
pub fn kills(group: &Group) -> u64 {
    let events = fs::read_to_string(group.path().join("memory.events")).unwrap_or_default();
    lookup(&events, "oom_kill").and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Tells whose memory.events file changed.
pub struct Watch {
    inotify: Inotify,
    ready: AsyncFd<OwnedFd>,
    containers: RefCell<HashMap<WatchDescriptor, String>>,
}

impl Watch {
    pub fn new() -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let ready = watched(inotify.as_fd().try_clone_to_owned()?)?;
        Ok(Watch { inotify, ready, containers: RefCell::default() })
    }

    /// The kernel drops the watch with the cgroup.
    pub fn add(&self, container_id: &str, group: &Group) -> io::Result<()> {
        let file = group.path().join("memory.events");
        let watch = self.inotify.add_watch(&file, AddWatchFlags::IN_MODIFY)?;
        self.containers.borrow_mut().insert(watch, container_id.to_owned());
        Ok(())
    }

    /// Ids of containers whose counts changed, possibly one twice.
    pub async fn next(&self) -> io::Result<Vec<String>> {
        loop {
            let mut guard = self.ready.readable().await?;
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(nix::Error::EAGAIN) => {
                    guard.clear_ready();
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut containers = self.containers.borrow_mut();
            let mut changed = Vec::new();
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    containers.remove(&event.wd);
                } else if let Some(id) = containers.get(&event.wd) {
                    changed.push(id.clone());
                }
            }
            return Ok(changed);
        }
    }
}
