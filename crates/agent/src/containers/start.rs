//! StartContainer.

use std::rc::Rc;
use std::time::Duration;

use super::container::{Container, State};
use super::{layout, pipes};
use crate::agent::Agent;
use crate::runtime::job::Job;
use crate::runtime::release;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

/// From the word to start to the kernel's answer to exec; a file system that hangs must not hold the call for ever.
pub const EXEC_LIMIT: Duration = Duration::from_secs(30);

/// Lets init execute its command. A command that cannot be executed is this call's error, with the reason.
pub async fn start(agent: &Rc<Agent>, container: &Rc<Container>) -> Result<()> {
    let _turn = container.life.lock().await;
    container.must_be(State::Created)?;
    container.must_not_be_paused()?;
    release(agent, container).await?;
    let status = container.status.take().ok_or_else(|| Status::internal("init's status pipe is gone"))?;
    let outcome = tokio::select! {
        outcome = executed(&status) => outcome,
        () = container.cancel.notified() => Err(Status::aborted("the container is being removed")),
    };
    if outcome.is_ok() && container.state.get() == State::Created {
        container.state.set(State::Running);
    }
    outcome
}

/// Hooks are programs to be run, which is the runtime's work; without them a word to init is enough.
async fn release(agent: &Rc<Agent>, container: &Rc<Container>) -> Result<()> {
    let (id, states) = (container.id.clone(), layout::states());
    if container.has_hooks.get() {
        let job = Job::Start { id, states };
        return agent.runtime.run(&job, Vec::new(), &container.cancel).await.map(drop);
    }
    blocking(move || release::release(&states, &id).map_err(|e| Status::os("start", e))).await
}

/// Waits for the kernel's answer to exec.
pub async fn executed(status: &tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>) -> Result<()> {
    match tokio::time::timeout(EXEC_LIMIT, pipes::exec_error(status)).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(errno))) => Err(Status::precondition(format!("cannot execute the command: {errno}"))),
        Ok(Err(error)) => Err(Status::os("status pipe", error)),
        Err(_) => Err(Status::deadline("the command was not executed in time")),
    }
}
