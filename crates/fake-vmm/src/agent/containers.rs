//! Calls about containers.

use crate::agent::service::{empty, fail, Call, Effect, Outcome};
use crate::agent::wire::{Builder, Message};
use crate::guest::container::Container;
use crate::guest::process::Process;
use crate::guest::program::{self, Surroundings};
use crate::guest::reply::Code;
use std::collections::BTreeMap;

/// The files that `names-v1` stands for.
const NAMES: [&str; 2] = ["/etc/hostname", "/etc/hosts"];
/// What every simulated process takes, bytes.
const MEMORY_OF_A_PROCESS: u64 = 1 << 20;

pub fn create(call: &mut Call<'_>) -> Outcome {
    let id = call.request.text(1);
    if !is_id(&id) {
        return fail(Code::InvalidArgument, format!("Invalid container id {id:?}"));
    }
    if let Some(at) = call.guest.half_made.iter().position(|half| *half == id) {
        call.guest.half_made.remove(at);
        return fail(Code::Internal, format!("container {id} is half made"));
    }
    if call.guest.containers.contains_key(&id) {
        if call.faults.has("create-destroys-first") {
            call.guest.containers.remove(&id);
            return fail(Code::Internal, "exec fifo exists");
        }
        return fail(Code::AlreadyExists, format!("container {id} exists already"));
    }
    let spec = call.request.message(6);
    let process = spec.message(2);
    if call.faults.has("agent-old") {
        if let Some(missing) = missing_source(&spec) {
            return fail(Code::Internal, format!("failed to canonicalize {missing:?}: No such file or directory"));
        }
    }
    if mutes(call, &process) {
        return None;
    }
    let request = match ProcessRequest::parse(&process) {
        Ok(request) => request,
        Err(message) => return fail(Code::InvalidArgument, message),
    };
    let hostname = spec.text(4);
    let hostname = if hostname.is_empty() { call.guest.hostname.clone() } else { hostname };
    let program = program::compile(&request.args, &Surroundings { env: &request.env, cwd: &request.cwd, hostname: &hostname });
    let pid = call.guest.new_pid();
    let container = Container {
        id: id.clone(),
        command_found: program.is_some(),
        init: Process::new(pid, program.unwrap_or_default(), request.terminal, request.env),
        execs: BTreeMap::new(),
        started: false,
        paused: false,
        stuck: false,
        memory_limit: memory_limit(&spec.message(8).message(4)),
    };
    call.guest.containers.insert(id, container);
    empty()
}

/// The first mount of a file that an agent without `names-v1` does not have.
fn missing_source(spec: &Message<'_>) -> Option<String> {
    spec.all_bytes(5).filter_map(Message::parse).map(|mount| mount.text(2)).find(|source| NAMES.contains(&source.as_str()))
}

/// 1 to 128 characters of which the first is a letter or a digit.
fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (2..=128).contains(&id.len()) && id.bytes().all(allowed)
}

/// `LinuxResources`' memory limit; 0 without one.
fn memory_limit(resources: &Message<'_>) -> u64 {
    resources.message(2).number(1)
}

/// The parts of an OCI process that matter here.
pub struct ProcessRequest {
    pub terminal: bool,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
}

impl ProcessRequest {
    pub fn parse(process: &Message<'_>) -> Result<ProcessRequest, String> {
        let (args, env, cwd) = (process.texts(4), process.texts(5), process.text(6));
        if args.is_empty() {
            return Err("Process.Args: a command is needed".to_owned());
        }
        if let Some(bad) = env.iter().find(|entry| !entry.contains('=')) {
            return Err(format!("Process.Env: {bad:?} is not NAME=value"));
        }
        let cwd = if cwd.is_empty() { "/".to_owned() } else { cwd };
        Ok(ProcessRequest { terminal: process.flag(1), args, env, cwd })
    }
}

/// The official agent never answers when it meets a capability it does not know.
pub fn mutes(call: &Call<'_>, process: &Message<'_>) -> bool {
    let capabilities = process.message(7);
    let mut named = (1..=5).flat_map(|set| capabilities.texts(set));
    named.any(|name| call.faults.hits("mute-on-capability", &name))
}

pub fn start(call: &mut Call<'_>, effect: &mut Effect) -> Outcome {
    if call.faults.has("start-hangs") {
        *effect = Effect::Hang;
        return None;
    }
    let id = call.request.text(1);
    let container = match call.guest.container(&id) {
        Ok(container) => container,
        Err(error) => return Some(Err(error)),
    };
    if container.started || container.paused {
        return fail(Code::FailedPrecondition, format!("container {id} is not Created"));
    }
    if !container.command_found {
        return fail(Code::FailedPrecondition, "cannot execute the command: executable file not found");
    }
    container.started = true;
    container.init.start();
    empty()
}

pub fn remove(call: &mut Call<'_>) -> Outcome {
    let id = call.request.text(1);
    let Some(mut container) = call.guest.containers.remove(&id) else {
        return fail(Code::NotFound, format!("InvalidContainerId: there is no container {id:?}"));
    };
    container.kill_all();
    for (_, process) in container.processes_mut() {
        process.end_calls(call.replies);
    }
    empty()
}

pub fn set_paused(call: &mut Call<'_>, paused: bool) -> Outcome {
    let container = match call.guest.container(&call.request.text(1)) {
        Ok(container) => container,
        Err(error) => return Some(Err(error)),
    };
    if container.stuck {
        return None;
    }
    container.paused = paused;
    empty()
}

pub fn update(call: &mut Call<'_>) -> Outcome {
    let limit = memory_limit(&call.request.message(2));
    match call.guest.container(&call.request.text(1)) {
        Ok(container) if limit != 0 => container.memory_limit = limit,
        Ok(_) => {}
        Err(error) => return Some(Err(error)),
    }
    empty()
}

/// Figures that grow with the guest's clock.
pub fn stats(call: &mut Call<'_>) -> Outcome {
    let used_ns = call.facts.now.as_nanos() as u64 / 100;
    let container = match call.guest.container(&call.request.text(1)) {
        Ok(container) => container,
        Err(error) => return Some(Err(error)),
    };
    let running = container.processes().filter(|(_, process)| process.runs()).count() as u64;
    let cpu = Builder::new().message(1, Builder::new().number(1, used_ns).number(4, used_ns)).message(2, Builder::new());
    let usage = Builder::new().number(1, running * MEMORY_OF_A_PROCESS).number(2, MEMORY_OF_A_PROCESS).number(4, container.memory_limit);
    let memory = Builder::new().message(2, usage).message(3, Builder::new());
    let group = Builder::new().message(1, cpu).message(2, memory).message(3, Builder::new().number(1, running));
    Some(Ok(Builder::new().message(1, group).finish()))
}
