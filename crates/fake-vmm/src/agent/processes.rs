//! Calls about processes and their streams, in both protocols.

use crate::agent::containers::{mutes, ProcessRequest};
use crate::agent::service::{empty, fail, unknown, Call, Effect, Outcome};
use crate::agent::wire::Builder;
use crate::guest::process::{Process, STDERR, STDOUT};
use crate::guest::program::{self, Surroundings};
use crate::guest::reply::Code;
use crate::guest::Guest;

/// The official agent allocates what a read asks for; this much is its end.
const DEADLY_READ: u64 = 1 << 20;

pub fn exec(call: &mut Call<'_>) -> Outcome {
    let (id, exec) = (call.request.text(1), call.request.text(2));
    let process = call.request.message(4);
    if mutes(call, &process) {
        return None;
    }
    let request = match ProcessRequest::parse(&process) {
        Ok(request) => request,
        Err(message) => return fail(Code::InvalidArgument, message),
    };
    let (pid, hostname) = (call.guest.new_pid(), call.guest.hostname.clone());
    let container = match call.guest.container(&id) {
        Ok(container) => container,
        Err(error) => return Some(Err(error)),
    };
    if container.paused {
        container.stuck = call.faults.has("exec-hangs-when-paused");
        return if container.stuck { None } else { fail(Code::FailedPrecondition, format!("container {id} is paused")) };
    }
    if !container.init.runs() {
        return fail(Code::FailedPrecondition, format!("container {id} is not Running"));
    }
    if exec.is_empty() || container.process(&exec).is_some() {
        return fail(Code::AlreadyExists, format!("container {id} has an exec {exec:?} already"));
    }
    let Some(program) = program::compile(&request.args, &Surroundings { env: &request.env, cwd: &request.cwd, hostname: &hostname }) else {
        return fail(Code::FailedPrecondition, "cannot execute the command: executable file not found");
    };
    let mut process = Process::new(pid, program, request.terminal, request.env);
    process.start();
    container.execs.insert(exec, process);
    empty()
}

pub fn signal(call: &mut Call<'_>) -> Outcome {
    let (id, exec, number) = (call.request.text(1), call.request.text(2), call.request.number(3));
    if !(1..=64).contains(&number) {
        return fail(Code::InvalidArgument, format!("{number} is not a signal"));
    }
    let first = exec.is_empty() || exec == id;
    if exec.is_empty() && number == 9 {
        return match call.guest.container(&id) {
            Ok(container) => {
                container.kill_all();
                empty()
            }
            Err(error) => Some(Err(error)),
        };
    }
    match call.guest.process(&id, &exec) {
        Ok(process) => process.signal(number as u32, first),
        Err(error) => return Some(Err(error)),
    }
    empty()
}

pub fn wait(call: &mut Call<'_>) -> Outcome {
    let discards = call.faults.has("wait-discards");
    match call.guest.process(&call.request.text(1), &call.request.text(2)) {
        Ok(process) => {
            if discards {
                process.discard_output();
            }
            process.calls.wait(call.stream);
            None
        }
        Err(error) => Some(Err(error)),
    }
}

/// Both protocols' WriteStdin: the kata one has no offset and no end.
pub fn write_stdin(call: &mut Call<'_>, offset: Option<u64>) -> Outcome {
    let (data, eof) = match offset {
        Some(_) => (call.request.bytes(4), call.request.flag(5)),
        None => (call.request.bytes(3), false),
    };
    match call.guest.process(&call.request.text(1), &call.request.text(2)) {
        Ok(process) => {
            process.write(call.stream, offset, data, eof, call.replies);
            None
        }
        Err(error) => Some(Err(error)),
    }
}

pub fn close_stdin(call: &mut Call<'_>) -> Outcome {
    match call.guest.process(&call.request.text(1), &call.request.text(2)) {
        Ok(process) => process.input.close(),
        Err(error) => return Some(Err(error)),
    }
    empty()
}

pub fn read(call: &mut Call<'_>, effect: &mut Effect) -> Outcome {
    let most = call.request.number(3);
    if call.faults.has("read-aborts") && most > DEADLY_READ {
        *effect = Effect::Panic;
        return None;
    }
    let index = if call.method == "ReadStdout" { STDOUT } else { STDERR };
    match call.guest.process(&call.request.text(1), &call.request.text(2)) {
        Ok(process) => {
            process.calls.take(index, call.stream, most.min(DEADLY_READ) as usize);
            None
        }
        Err(error) => Some(Err(error)),
    }
}

pub fn resize(call: &mut Call<'_>) -> Outcome {
    match call.guest.process(&call.request.text(1), &call.request.text(2)) {
        Ok(process) if process.terminal => empty(),
        Ok(_) => fail(Code::FailedPrecondition, "the process has no terminal"),
        Err(error) => Some(Err(error)),
    }
}

/// `vivarium.agent.v1.StreamService`
pub fn stream_service(call: &mut Call<'_>) -> Outcome {
    let offsets = [call.request.number(3), call.request.number(4)];
    if call.method == "WriteStdin" {
        return write_stdin(call, Some(offsets[0]));
    }
    let process = match call.guest.process(&call.request.text(1), &call.request.text(2)) {
        Ok(process) => process,
        Err(error) => return Some(Err(error)),
    };
    match call.method {
        "Output" => {
            process.read_from(call.stream, offsets, call.request.number(5), call.replies);
            None
        }
        "Ack" => {
            let known = process.outputs.iter().zip(offsets).all(|(output, offset)| offset <= output.written());
            if !known {
                return fail(Code::OutOfRange, "an offset is above what was written");
            }
            for (output, offset) in process.outputs.iter_mut().zip(offsets) {
                output.ack(offset);
            }
            empty()
        }
        method => unknown(method),
    }
}

/// `ListProcessesResponse`
pub fn list(guest: &Guest) -> Builder {
    let mut response = Builder::new();
    for container in guest.containers.values() {
        for (exec, process) in container.processes() {
            let pid = if process.runs() { process.pid } else { 0 };
            let mut entry = Builder::new().text(1, &container.id).text(2, exec).number(3, pid.into());
            if let Some(exit) = process.exit_message() {
                entry = entry.message(4, exit);
            }
            let [stdout, stderr] = &process.outputs;
            entry = entry.number(5, process.terminal.into()).number(6, container.paused.into());
            entry = entry.number(7, stdout.written()).number(8, stdout.acked());
            entry = entry.number(9, stderr.written()).number(10, stderr.acked()).number(11, process.input.accepted());
            response = response.message(1, entry);
        }
    }
    response
}
