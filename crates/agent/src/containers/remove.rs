//! RemoveContainer.

use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sys::statvfs::{statvfs, FsFlags};
use tokio::task::spawn_local;

use super::container::{Container, State};
use super::create::undo;
use super::layout;
use crate::agent::Agent;
use crate::runtime::job::Job;
use crate::ttrpc::status::{Result, Status};

/// Where the host's share is mounted, as the kata agent's protocol has it.
const SHARE: &str = "/run/kata-containers/shared/containers";

/// How long killed processes may take to be gone, where the caller sets no limit.
pub const KILL_LIMIT: Duration = Duration::from_secs(30);

/// Kills what runs in the container and removes every trace of it.
pub async fn remove(agent: &Rc<Agent>, container: &Rc<Container>, timeout: u32) -> Result<()> {
    // A task of its own: a caller that gives up must not leave it half removed.
    let (agent, container) = (agent.clone(), container.clone());
    let removal = spawn_local(async move { clear(&agent, &container).await });
    let limit = if timeout == 0 { Duration::MAX } else { Duration::from_secs(timeout.into()) };
    match tokio::time::timeout(limit, removal).await {
        Ok(joined) => joined.unwrap_or_else(|error| Err(Status::internal(format!("the call broke down: {error}")))),
        Err(_) => Err(Status::deadline("the container is not gone in time")),
    }
}

/// Lets the host unmount the container's root file system: each file that the guest has looked up there is a file that virtiofsd holds open.
///
/// The share tells of mounts below it, and the kernel mounts each here as it is entered: that mount goes, with all that was looked up in it. What
/// the share itself remembers of the mount point goes when it is remounted as it is, which drops its unused entries and no others' (the kernel's
/// reconfigure_super).
fn let_go_of_share(id: &str) {
    let root = format!("{SHARE}/{id}/rootfs");
    // EINVAL: it was entered in the container's own namespace only.
    let unmounted = umount2(root.as_str(), MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
    let Ok(share) = statvfs(SHARE) else { return };
    let flags = if share.flags().contains(FsFlags::ST_RDONLY) { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    let remounted = mount(None::<&str>, SHARE, None::<&str>, MsFlags::MS_REMOUNT | flags, None::<&str>);
    for result in [unmounted, remounted] {
        match result {
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(error) => eprintln!("viv-agent: {id}: the share keeps its root file system: {error}"),
        }
    }
}

async fn clear(agent: &Rc<Agent>, container: &Rc<Container>) -> Result<()> {
    // Work of the runtime that holds the turn is ended, not waited for.
    let _turn = loop {
        container.cancel.notify_waiters();
        match tokio::time::timeout(Duration::from_millis(100), container.life.lock()).await {
            Ok(turn) => break turn,
            Err(_) => continue,
        }
    };
    container.group.kill().map_err(|e| Status::os("cgroup", e))?;
    if container.init.pid().is_some() {
        container.init.exited().await;
    }
    if container.has_hooks.get() {
        let job = Job::Stopped { id: container.id.clone(), states: layout::states() };
        // A hook that fails after the container's end cannot undo the end (OCI runtime specification, runtime.md).
        if let Err(status) = agent.runtime.run(&job, Vec::new(), &container.cancel).await {
            eprintln!("viv-agent: {}: poststop hooks: {status}", container.id);
        }
    }
    undo(agent, container).await?;
    let_go_of_share(&container.id);
    container.state.set(State::Stopped);
    agent.forget_container(&container.id);
    for task in container.tasks() {
        // Whoever still reads is told that there is nothing more to come.
        task.take_over_reading();
        task.stdout.discard();
        task.stderr.discard();
    }
    Ok(())
}
