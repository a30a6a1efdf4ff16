//! The services by name, and the calls about the guest as a whole.

use crate::agent::wire::{Builder, Message};
use crate::agent::{containers, processes};
use crate::disks::GuestDisk;
use crate::faults::Faults;
use crate::guest::reply::{Answer, Code, Replies};
use crate::guest::Guest;
use std::time::Duration;

/// One request, and all that its handling may touch.
pub struct Call<'a> {
    pub stream: u32,
    pub method: &'a str,
    pub request: Message<'a>,
    pub guest: &'a mut Guest,
    pub faults: &'a Faults,
    pub replies: &'a mut Replies,
    pub facts: &'a Facts,
}

/// What the guest knows of its machine.
pub struct Facts {
    pub memory_bytes: u64,
    pub cpus: u32,
    pub boot_id: String,
    /// The guest's clock.
    pub now: Duration,
    /// Those that its kernel has found.
    pub disks: Vec<GuestDisk>,
}

/// What a call leads to beyond its answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    /// The guest powers off.
    PowerOff,
    /// The agent answers nothing any more.
    Hang,
    /// PID 1 died: the kernel panics.
    Panic,
}

/// What is said when there is an answer at once; `None` when the call waits or has been answered.
pub type Outcome = Option<Answer>;

pub fn empty() -> Outcome {
    Some(Ok(Vec::new()))
}

pub fn fail(code: Code, message: impl Into<String>) -> Outcome {
    Some(Err((code, message.into())))
}

/// Handles one call of a service.
pub fn handle(service: &str, mut call: Call<'_>) -> Effect {
    let mut effect = Effect::None;
    let outcome = match service {
        "grpc.Health" => health(call.method),
        "grpc.AgentService" => agent(&mut call, &mut effect),
        "vivarium.agent.v1.StreamService" => processes::stream_service(&mut call),
        "vivarium.agent.v1.GuestService" => guest_service(&mut call),
        "vivarium.agent.v1.DeviceService" => device_service(&call),
        _ => fail(Code::InvalidArgument, format!("service {service} is not known")),
    };
    if let Some(answer) = outcome {
        call.replies.answer(call.stream, answer);
    }
    effect
}

fn health(method: &str) -> Outcome {
    match method {
        "Check" => Some(Ok(Builder::new().number(1, 1).finish())),
        "Version" => Some(Ok(Builder::new().text(1, "0.0.1").text(2, "fake-vmm").finish())),
        _ => unknown(method),
    }
}

pub fn unknown(method: &str) -> Outcome {
    fail(Code::Unimplemented, format!("method {method} is not known"))
}

fn agent(call: &mut Call<'_>, effect: &mut Effect) -> Outcome {
    match call.method {
        "CreateSandbox" => create_sandbox(call),
        "DestroySandbox" => {
            call.guest.containers.values_mut().for_each(|container| container.kill_all());
            *effect = Effect::PowerOff;
            empty()
        }
        "CreateContainer" => containers::create(call),
        "StartContainer" => containers::start(call, effect),
        "RemoveContainer" => containers::remove(call),
        "PauseContainer" => containers::set_paused(call, true),
        "ResumeContainer" => containers::set_paused(call, false),
        "UpdateContainer" => containers::update(call),
        "StatsContainer" => containers::stats(call),
        "ExecProcess" => processes::exec(call),
        "SignalProcess" => processes::signal(call),
        "WaitProcess" => processes::wait(call),
        "WriteStdin" => processes::write_stdin(call, None),
        "CloseStdin" => processes::close_stdin(call),
        "ReadStdout" | "ReadStderr" => processes::read(call, effect),
        "TtyWinResize" => processes::resize(call),
        "GetOOMEvent" => {
            call.guest.await_oom(call.stream, call.replies);
            None
        }
        _ => about_guest(call),
    }
}

/// Calls that only have to be believable.
fn about_guest(call: &Call<'_>) -> Outcome {
    let message = match call.method {
        "GetGuestDetails" => Builder::new().message(2, Builder::new().text(1, "fake-vmm").number(2, 1)),
        "GetMetrics" => Builder::new().text(1, &format!("guest_uptime_seconds {}\n", call.facts.now.as_secs_f64())),
        // Both answer with what they were given.
        "UpdateInterface" | "UpdateRoutes" => return Some(Ok(call.request.bytes(1).to_vec())),
        "ListInterfaces" => {
            let loopback = Builder::new().text(1, "lo").text(2, "lo").number(4, 65536);
            Builder::new().message(1, loopback)
        }
        "ListRoutes" | "GetIPTables" | "SetIPTables" | "GetVolumeStats" | "GetDiagnosticData" => Builder::new(),
        "OnlineCPUMem" | "ReseedRandomDev" | "MemHotplugByProbe" | "SetGuestDateTime" | "CopyFile" | "AddSwap" | "AddSwapPath"
        | "ResizeVolume" | "SetPolicy" | "AddARPNeighbors" | "UpdateEphemeralMounts" | "RemoveStaleVirtiofsShareMounts"
        | "MemAgentMemcgSet" | "MemAgentCompactSet" => Builder::new(),
        method => return unknown(method),
    };
    Some(Ok(message.finish()))
}

fn create_sandbox(call: &mut Call<'_>) -> Outcome {
    if call.guest.sandbox.is_some() {
        if call.faults.has("second-sandbox-wipes") {
            call.guest.containers.clear();
            return fail(Code::Internal, "the sandbox's directories are gone");
        }
        return fail(Code::AlreadyExists, "the sandbox was created already");
    }
    call.guest.sandbox = Some(call.request.text(5));
    call.guest.hostname = call.request.text(1);
    empty()
}

fn guest_service(call: &mut Call<'_>) -> Outcome {
    match call.method {
        "Info" => {
            let facts = call.facts;
            let info = Builder::new()
                .text(1, "fake-vmm")
                .text(2, "6.1.0-fake")
                .text(3, &facts.boot_id)
                .double(4, 0.001)
                .double(5, 0.002)
                .number(6, facts.memory_bytes)
                .number(7, facts.cpus.into())
                .text(8, "streams-v1")
                .text(8, "link-v1");
            let info = if call.faults.has("agent-old") { info } else { info.text(8, "names-v1").text(8, "devices-v1").text(8, "nodes-v1").text(8, "rules-v1") };
            Some(Ok(info.finish()))
        }
        "Events" => {
            call.guest.listen(call.stream);
            None
        }
        "ListProcesses" => Some(Ok(processes::list(call.guest).finish())),
        method => unknown(method),
    }
}

/// What takes a guest a moment is so at once here: what is not there at once never comes.
fn device_service(call: &Call<'_>) -> Outcome {
    let place = call.request.text(1);
    let disk = call.facts.disks.iter().find(|disk| disk.place == place);
    match (call.method, disk) {
        ("AwaitDevice", Some(disk)) => {
            Some(Ok(Builder::new().text(1, &disk.pci_address).text(2, &disk.path).number(3, disk.size_bytes).text(4, &disk.serial).finish()))
        }
        ("AwaitDevice", None) => fail(Code::DeadlineExceeded, format!("the guest saw no device at {place}")),
        ("AwaitGone", Some(_)) => fail(Code::DeadlineExceeded, format!("the guest still had a device at {place}")),
        ("AwaitGone", None) | ("ReleaseDevice", _) => empty(),
        (method, _) => unknown(method),
    }
}
