//! AgentService: standard streams.

use std::os::fd::AsRawFd;
use std::rc::Rc;

use crate::agent::Agent;
use crate::containers::create::set_size;
use crate::process::stdin::Refusal;
use crate::process::task::Task;
use crate::proto::grpc;
use crate::ttrpc::status::{Code, Result, Status};

/// Most bytes that one read answers, whatever was asked for.
const MOST: usize = 1 << 20;

fn task(agent: &Agent, container_id: &str, exec_id: &str, absent: Code) -> Result<Rc<Task>> {
    agent.container(container_id, absent)?.task(exec_id)
}

pub fn refusal(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Gap => Status::out_of_range("bytes before this offset are missing"),
        Refusal::Closed => Status::precondition("the process's input is closed"),
    }
}

pub async fn write_stdin(agent: Rc<Agent>, request: grpc::WriteStreamRequest) -> Result<grpc::WriteStreamResponse> {
    let task = task(&agent, &request.container_id, &request.exec_id, Code::Internal)?;
    let len = request.data.len() as u32;
    let until = task.stdin.append(request.data).map_err(refusal)?;
    task.stdin.settled(until, false).await.map_err(refusal)?;
    Ok(grpc::WriteStreamResponse { len })
}

pub async fn read_stdout(agent: Rc<Agent>, request: grpc::ReadStreamRequest) -> Result<grpc::ReadStreamResponse> {
    let task = task(&agent, &request.container_id, &request.exec_id, Code::InvalidArgument)?;
    let data = task.stdout.take(MOST.min(request.len as usize)).await;
    Ok(grpc::ReadStreamResponse { data: data.into() })
}

pub async fn read_stderr(agent: Rc<Agent>, request: grpc::ReadStreamRequest) -> Result<grpc::ReadStreamResponse> {
    let task = task(&agent, &request.container_id, &request.exec_id, Code::InvalidArgument)?;
    let data = task.stderr.take(MOST.min(request.len as usize)).await;
    Ok(grpc::ReadStreamResponse { data: data.into() })
}

pub async fn close_stdin(agent: Rc<Agent>, request: grpc::CloseStdinRequest) -> Result<()> {
    task(&agent, &request.container_id, &request.exec_id, Code::InvalidArgument)?.stdin.finish();
    Ok(())
}

pub async fn resize(agent: Rc<Agent>, request: grpc::TtyWinResizeRequest) -> Result<()> {
    let task = task(&agent, &request.container_id, &request.exec_id, Code::InvalidArgument)?;
    match task.master() {
        Some(master) => set_size(master.as_raw_fd(), request.row, request.column).map_err(|e| Status::os("terminal size", e)),
        None if task.terminal => Ok(()),
        None => Err(Status::precondition("the process has no terminal")),
    }
}
