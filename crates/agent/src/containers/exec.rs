//! ExecProcess.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use super::container::{Container, State};
use super::create::{resize, with_user};
use super::start::executed;
use super::{cwd, layout, pipes};
use crate::agent::Agent;
use crate::oci::{check, json};
use crate::process::task::Task;
use crate::proto::grpc;
use crate::runtime::job::Job;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

/// Starts a process in a running container; ends once its command is executed, or tells why it cannot be.
pub async fn exec(agent: &Rc<Agent>, container: &Rc<Container>, request: grpc::ExecProcessRequest) -> Result<()> {
    check::id(&request.exec_id).map_err(|_| Status::invalid(format!("InvalidExecId: {:?}", request.exec_id)))?;
    let process = request.process.ok_or_else(|| Status::invalid("process is missing"))?;
    check::process(&process)?;
    if request.stdin_port != 0 || request.stdout_port != 0 || request.stderr_port != 0 {
        return Err(Status::unimplemented("streams by port are not supported"));
    }
    let process = with_user(process, request.string_user.as_ref())?;
    container.must_be(State::Running)?;
    container.must_not_be_paused()?;
    if let Some(init) = container.init.pid().filter(|_| !process.cwd.is_empty()) {
        let cwd = process.cwd.clone();
        blocking(move || cwd::check(init, &cwd)).await?;
    }
    let task = Task::new(&container.id, &request.exec_id, process.terminal);
    container.add_exec(&task)?;
    let started = run(agent, container, &task, &process).await;
    if started.is_err() {
        container.drop_exec(&request.exec_id);
    }
    started
}

async fn run(agent: &Rc<Agent>, container: &Rc<Container>, task: &Rc<Task>, process: &grpc::Process) -> Result<()> {
    let ends = pipes::open(process.terminal).map_err(|e| Status::os("streams", e))?;
    let file = layout::bundle(&container.id).join(format!("exec-{}.json", task.exec_id));
    fs::write(&file, json::process(process).to_string()).map_err(|e| Status::os("process file", e))?;
    let job = Job::Exec {
        id: container.id.clone(),
        states: layout::states(),
        process: file.clone(),
        terminal: process.terminal,
        seccomp: container.confined.get(),
    };
    let done = agent.runtime.run(&job, ends.theirs, &container.cancel).await;
    forget(&file);
    let mut done = done?;
    let pid = done.pid.ok_or_else(|| Status::internal("the runtime told no pid"))?;
    let streams = match done.master.take() {
        Some(master) => pipes::terminal(master).map_err(|e| Status::os("terminal", e))?,
        None => ends.streams.ok_or_else(|| Status::internal("the runtime gave no terminal"))?,
    };
    let ended = agent.reaper.register(pid);
    task.begin(pid, streams);
    drop(done);
    resize(task, process.console_size.as_ref())?;
    agent.follow(container.clone(), task.clone(), ended);
    executed(&ends.status).await
}

fn forget(file: &Path) {
    // The bundle goes with its container, and this file with it.
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => eprintln!("viv-agent: {}: {error}", file.display()),
        _ => {}
    }
}
