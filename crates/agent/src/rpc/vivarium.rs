//! StreamService but for Output, and GuestService.

use std::rc::Rc;

use prost::bytes::Bytes;
use prost::Message;

use super::stdio::refusal;
use crate::agent::Agent;
use crate::containers::container::State;
use crate::facts::{line, FEATURES, VERSION};
use crate::process::task::Task;
use crate::proto::vivarium::agent::v1 as agent;
use crate::ttrpc::message::data_frame;
use crate::ttrpc::server::Route;
use crate::ttrpc::status::{Code, Result, Status};

fn task(agent: &Agent, container_id: &str, exec_id: &str) -> Result<Rc<Task>> {
    agent.container(container_id, Code::NotFound)?.task(exec_id)
}

pub async fn ack(agent: Rc<Agent>, request: agent::AckRequest) -> Result<agent::AckResponse> {
    let task = task(&agent, &request.container_id, &request.exec_id)?;
    for (output, offset) in [(&task.stdout, request.stdout_offset), (&task.stderr, request.stderr_offset)] {
        output.ack(offset).map_err(|_| Status::out_of_range(format!("acknowledged {offset}, written {}", output.written())))?;
    }
    Ok(agent::AckResponse {})
}

pub async fn write_stdin(agent: Rc<Agent>, request: agent::WriteStdinRequest) -> Result<agent::WriteStdinResponse> {
    let task = task(&agent, &request.container_id, &request.exec_id)?;
    let until = task.stdin.write_at(request.offset, request.data, request.eof).map_err(refusal)?;
    let accepted = task.stdin.settled(until, request.eof).await.map_err(refusal)?;
    Ok(agent::WriteStdinResponse { accepted })
}

pub async fn info(agent: Rc<Agent>, _: agent::InfoRequest) -> Result<agent::InfoResponse> {
    let memory = nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_total());
    let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(0);
    Ok(agent::InfoResponse {
        agent_version: VERSION.into(),
        kernel_release: line("/proc/sys/kernel/osrelease"),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        agent_started_uptime: agent.facts.started,
        agent_ready_uptime: agent.facts.ready.get(),
        memory_bytes: memory,
        online_cpus: u32::try_from(cpus).unwrap_or(0),
        features: FEATURES.iter().map(|&feature| feature.into()).collect(),
    })
}

pub async fn list_processes(agent: Rc<Agent>, _: agent::ListProcessesRequest) -> Result<agent::ListProcessesResponse> {
    let mut processes = Vec::new();
    for container in agent.containers() {
        let waits = matches!(container.state.get(), State::Creating | State::Created);
        for task in container.tasks() {
            let pid = if waits { None } else { task.pid() };
            processes.push(process(&task, pid, container.paused.get()));
        }
    }
    Ok(agent::ListProcessesResponse { processes })
}

fn process(task: &Task, pid: Option<i32>, paused: bool) -> agent::Process {
    agent::Process {
        container_id: task.container_id.clone(),
        exec_id: task.exec_id.clone(),
        pid: pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
        exit: task.exit().map(|exit| exit.message(task.stdout.written(), task.stderr.written())),
        terminal: task.terminal,
        paused,
        stdout_written: task.stdout.written(),
        stdout_acked: task.stdout.acked(),
        stderr_written: task.stderr.written(),
        stderr_acked: task.stderr.acked(),
        stdin_accepted: task.stdin.accepted(),
    }
}

pub fn events(agent: &Rc<Agent>, payload: Bytes) -> Result<Route> {
    agent::EventsRequest::decode(payload).map_err(|e| Status::unknown(format!("Events: {e}")))?;
    let listener = agent.events.listen();
    Ok(Route::Stream(Box::new(move |sink| {
        Box::pin(async move {
            while let Some(event) = listener.next().await {
                let message = agent::EventsResponse { event: Some(event) };
                match sink.reserve().await {
                    Ok(slot) => slot.send(data_frame(sink.stream, &message)),
                    Err(_closed) => return Ok(()),
                }
            }
            Err(Status::exhausted("events came faster than they were fetched"))
        })
    })))
}
