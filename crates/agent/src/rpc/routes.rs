//! Which function carries out which method.

use std::future::Future;
use std::rc::Rc;

use prost::bytes::Bytes;
use prost::Message;

use super::{container, devices, files, guest, metrics, online, output, sandbox, stdio, vivarium};
use crate::agent::Agent;
use crate::proto::grpc;
use crate::ttrpc::server::{Answer, Route, Service};
use crate::ttrpc::status::{Result, Status};

/// The services of the agent.
pub struct Services(pub Rc<Agent>);

impl Service for Services {
    fn route(&self, service: &str, method: &str, payload: Bytes) -> Result<Route> {
        match service {
            "grpc.AgentService" => kata(&self.0, method, payload),
            "grpc.Health" => health(&self.0, method, payload),
            "vivarium.agent.v1.StreamService" => streams(&self.0, method, payload),
            "vivarium.agent.v1.GuestService" => of_guest(&self.0, method, payload),
            "vivarium.agent.v1.DeviceService" => of_devices(&self.0, method, payload),
            _ => Err(Status::invalid(format!("unknown service {service:?}"))),
        }
    }
}

/// Decodes the request and binds it to the function that carries it out.
fn call<Q, A, F>(agent: &Rc<Agent>, payload: Bytes, carry_out: impl FnOnce(Rc<Agent>, Q) -> F) -> Result<Answer<Vec<u8>>>
where
    Q: Message + Default,
    A: Message,
    F: Future<Output = Result<A>> + 'static,
{
    let request = Q::decode(payload).map_err(|e| Status::unknown(format!("the request cannot be read: {e}")))?;
    let answer = carry_out(agent.clone(), request);
    Ok(Box::pin(async move { Ok(answer.await?.encode_to_vec()) }))
}

fn kata(agent: &Rc<Agent>, method: &str, payload: Bytes) -> Result<Route> {
    let work = match method {
        "WaitProcess" => return call(agent, payload, container::wait).map(Route::Wait),
        "ReadStdout" => return call(agent, payload, stdio::read_stdout).map(Route::Wait),
        "ReadStderr" => return call(agent, payload, stdio::read_stderr).map(Route::Wait),
        "GetOOMEvent" => return call(agent, payload, guest::oom_event).map(Route::Wait),
        "DestroySandbox" => return call(agent, payload, sandbox::destroy).map(Route::Last),
        "CreateSandbox" => call(agent, payload, sandbox::create),
        "CreateContainer" => call(agent, payload, container::create),
        "StartContainer" => call(agent, payload, container::start),
        "RemoveContainer" => call(agent, payload, container::remove),
        "ExecProcess" => call(agent, payload, container::exec),
        "SignalProcess" => call(agent, payload, container::signal),
        "UpdateContainer" => call(agent, payload, container::update),
        "StatsContainer" => call(agent, payload, container::stats),
        "PauseContainer" => call(agent, payload, container::pause),
        "ResumeContainer" => call(agent, payload, container::resume),
        "UpdateEphemeralMounts" => call(agent, payload, sandbox::update_ephemeral_mounts),
        "RemoveStaleVirtiofsShareMounts" => call(agent, payload, sandbox::remove_stale_mounts),
        "WriteStdin" => call(agent, payload, stdio::write_stdin),
        "CloseStdin" => call(agent, payload, stdio::close_stdin),
        "TtyWinResize" => call(agent, payload, stdio::resize),
        "OnlineCPUMem" => call(agent, payload, online::online),
        "ReseedRandomDev" => call(agent, payload, guest::reseed),
        "SetGuestDateTime" => call(agent, payload, guest::set_time),
        "GetGuestDetails" => call(agent, payload, guest::details),
        "MemHotplugByProbe" => call(agent, payload, guest::probe_memory),
        "GetMetrics" => call(agent, payload, metrics::get),
        "CopyFile" => call(agent, payload, files::copy),
        "GetVolumeStats" => call(agent, payload, files::volume_stats),
        _ => return Err(refuse(method)),
    };
    work.map(Route::Work)
}

/// Methods that the protocol has and this agent does not carry out, and those that it does not have.
fn refuse(method: &str) -> Status {
    const NETWORK: [&str; 7] =
        ["UpdateInterface", "UpdateRoutes", "ListInterfaces", "ListRoutes", "AddARPNeighbors", "GetIPTables", "SetIPTables"];
    const OTHER: [&str; 7] =
        ["AddSwap", "AddSwapPath", "ResizeVolume", "SetPolicy", "GetDiagnosticData", "MemAgentMemcgSet", "MemAgentCompactSet"];
    if NETWORK.contains(&method) {
        return Status::unimplemented(format!("{method}: this agent does not set up the guest's network"));
    }
    if OTHER.contains(&method) {
        return Status::unimplemented(format!("{method} is not supported by this agent"));
    }
    Status::unimplemented(format!("unknown method {method:?}"))
}

fn health(agent: &Rc<Agent>, method: &str, payload: Bytes) -> Result<Route> {
    let work = match method {
        "Check" => call(agent, payload, |_, _: grpc::CheckRequest| guest::check()),
        "Version" => call(agent, payload, |_, _: grpc::CheckRequest| guest::version()),
        _ => Err(Status::unimplemented(format!("unknown method {method:?}"))),
    };
    work.map(Route::Work)
}

fn streams(agent: &Rc<Agent>, method: &str, payload: Bytes) -> Result<Route> {
    match method {
        "Output" => output::open(agent, payload),
        "Ack" => call(agent, payload, vivarium::ack).map(Route::Work),
        "WriteStdin" => call(agent, payload, vivarium::write_stdin).map(Route::Wait),
        _ => Err(Status::unimplemented(format!("unknown method {method:?}"))),
    }
}

fn of_guest(agent: &Rc<Agent>, method: &str, payload: Bytes) -> Result<Route> {
    match method {
        "Info" => call(agent, payload, vivarium::info).map(Route::Work),
        "ListProcesses" => call(agent, payload, vivarium::list_processes).map(Route::Work),
        "Events" => vivarium::events(agent, payload),
        _ => Err(Status::unimplemented(format!("unknown method {method:?}"))),
    }
}

fn of_devices(agent: &Rc<Agent>, method: &str, payload: Bytes) -> Result<Route> {
    match method {
        "AwaitDevice" => call(agent, payload, devices::await_device).map(Route::Wait),
        "AwaitFunction" => call(agent, payload, devices::await_function).map(Route::Wait),
        "ReleaseDevice" => call(agent, payload, devices::release_device).map(Route::Work),
        "AwaitGone" => call(agent, payload, devices::await_gone).map(Route::Wait),
        _ => Err(Status::unimplemented(format!("unknown method {method:?}"))),
    }
}
