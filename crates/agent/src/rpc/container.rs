//! AgentService: containers and their processes.

use std::rc::Rc;
use std::time::Duration;

use crate::agent::Agent;
use crate::cgroup::{stats as measures, update as limits};
use crate::containers::{self, container::State};
use crate::proto::grpc;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Code, Result, Status};

/// The freezer works within milliseconds; a process in an uninterruptible call may keep it waiting.
const FREEZE_LIMIT: Duration = Duration::from_secs(5);

pub async fn create(agent: Rc<Agent>, request: grpc::CreateContainerRequest) -> Result<()> {
    containers::create::create(&agent, request).await
}

pub async fn start(agent: Rc<Agent>, request: grpc::StartContainerRequest) -> Result<()> {
    let container = agent.container(&request.container_id, Code::Internal)?;
    containers::start::start(&agent, &container).await
}

pub async fn remove(agent: Rc<Agent>, request: grpc::RemoveContainerRequest) -> Result<()> {
    let container = agent.container(&request.container_id, Code::Internal)?;
    containers::remove::remove(&agent, &container, request.timeout).await
}

pub async fn exec(agent: Rc<Agent>, request: grpc::ExecProcessRequest) -> Result<()> {
    let container = agent.container(&request.container_id, Code::Internal)?;
    containers::exec::exec(&agent, &container, request).await
}

pub async fn signal(agent: Rc<Agent>, request: grpc::SignalProcessRequest) -> Result<()> {
    let container = agent.container(&request.container_id, Code::InvalidArgument)?;
    containers::signal::send(&agent, &container, &request.exec_id, request.signal)
}

/// Any number may wait; the status stays until the container is removed.
pub async fn wait(agent: Rc<Agent>, request: grpc::WaitProcessRequest) -> Result<grpc::WaitProcessResponse> {
    let container = agent.container(&request.container_id, Code::InvalidArgument)?;
    let exit = container.task(&request.exec_id)?.exited().await;
    Ok(grpc::WaitProcessResponse { status: exit.status })
}

pub async fn update(agent: Rc<Agent>, request: grpc::UpdateContainerRequest) -> Result<()> {
    let container = agent.container(&request.container_id, Code::InvalidArgument)?;
    let resources = request.resources.ok_or_else(|| Status::invalid("resources are missing"))?;
    let group = container.group.clone();
    blocking(move || limits::apply(&group, &resources)).await
}

pub async fn stats(agent: Rc<Agent>, request: grpc::StatsContainerRequest) -> Result<grpc::StatsContainerResponse> {
    let container = agent.container(&request.container_id, Code::InvalidArgument)?;
    let group = container.group.clone();
    blocking(move || {
        Ok(grpc::StatsContainerResponse { cgroup_stats: Some(measures::read(&group)), network_stats: measures::network() })
    })
    .await
}

pub async fn pause(agent: Rc<Agent>, request: grpc::PauseContainerRequest) -> Result<()> {
    freeze(agent, &request.container_id, true).await
}

pub async fn resume(agent: Rc<Agent>, request: grpc::ResumeContainerRequest) -> Result<()> {
    freeze(agent, &request.container_id, false).await
}

async fn freeze(agent: Rc<Agent>, container_id: &str, frozen: bool) -> Result<()> {
    let container = agent.container(container_id, Code::InvalidArgument)?;
    if !matches!(container.state.get(), State::Created | State::Running) {
        return Err(Status::precondition(format!("container {container_id} is {:?}", container.state.get())));
    }
    // From here on no exec is let in that would wait for the thaw.
    container.paused.set(frozen);
    let group = container.group.clone();
    let done = blocking(move || group.freeze(frozen, FREEZE_LIMIT).map_err(|e| Status::os("freezer", e))).await;
    if done.is_err() {
        container.paused.set(!frozen);
    }
    done
}
