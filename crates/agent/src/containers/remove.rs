//! RemoveContainer.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;

use super::container::{Container, State};
use super::create::undo;
use super::layout;
use crate::agent::Agent;
use crate::runtime::job::Job;
use crate::storage::shares;
use crate::ttrpc::status::{Result, Status};

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
    if let Err(status) = shares::let_go(&container.id) {
        eprintln!("viv-agent: {}: the share keeps what was shown: {status}", container.id);
    }
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
