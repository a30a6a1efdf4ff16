//! The agent's faults do what README.md says of them.

mod support;

use fake_vmm::agent::frames::RESPONSE;
use fake_vmm::agent::wire::{Builder, Message};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use support::agent::{container, process, target, Agent, AGENT, BOOT, GUEST};
use support::Vmm;

fn sandbox(vmm: &Vmm) -> Agent {
    let mut agent = vmm.agent();
    agent.ok("CreateSandbox", Builder::new().text(5, "sb"));
    agent
}

/// Expects that nothing comes for a moment.
fn silent(agent: &mut Agent) {
    agent.stream.set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
    assert!(agent.stream.read(&mut [0; 1]).is_err(), "something was answered");
    agent.stream.set_read_timeout(Some(support::PATIENCE)).expect("set a timeout");
}

#[test]
fn second_sandbox_wipes() {
    let vmm = Vmm::start("fake.fault=second-sandbox-wipes");
    let mut agent = sandbox(&vmm);
    agent.run("c1", &["sleep", "600"]);
    assert_eq!(agent.code("CreateSandbox", Builder::new()), 13);
    assert_eq!(agent.code("StatsContainer", target("c1", "")), 5);
}

#[test]
fn start_hangs() {
    let vmm = Vmm::start("fake.fault=start-hangs");
    let mut agent = sandbox(&vmm);
    agent.ok("CreateContainer", container("c1", &["true"]));
    agent.send(AGENT, "StartContainer", target("c1", ""));
    agent.send("grpc.Health", "Check", Builder::new());
    silent(&mut agent);
}

#[test]
fn create_destroys_first() {
    let vmm = Vmm::start("fake.fault=create-destroys-first");
    let mut agent = sandbox(&vmm);
    agent.ok("CreateContainer", container("c1", &["true"]));
    assert_eq!(agent.code("CreateContainer", container("c1", &["true"])), 13);
    assert_eq!(agent.code("StartContainer", target("c1", "")), 5);
}

#[test]
fn mute_on_capability() {
    let vmm = Vmm::start("fake.fault=mute-on-capability:CAP_NEW");
    let mut agent = sandbox(&vmm);
    let with = |id: &str, capability: &str| {
        let process = process(&["true"]).message(7, Builder::new().text(1, capability));
        Builder::new().text(1, id).message(6, Builder::new().message(2, process))
    };
    agent.ok("CreateContainer", with("c1", "CAP_KILL"));
    agent.send(AGENT, "CreateContainer", with("c2", "CAP_NEW"));
    silent(&mut agent);
    agent.check();
}

#[test]
fn read_aborts() {
    let vmm = Vmm::start("fake.fault=read-aborts");
    let mut agent = sandbox(&vmm);
    let mut qmp = vmm.qmp();
    agent.run("c1", &["sleep", "600"]);
    agent.send(AGENT, "ReadStdout", target("c1", "").number(3, 1 << 30));
    assert_eq!([qmp.event().0, qmp.event().0], ["GUEST_PANICKED", "STOP"]);
    assert_eq!(qmp.status(), "guest-panicked");
}

#[test]
fn exec_hangs_when_paused() {
    let vmm = Vmm::start("fake.fault=exec-hangs-when-paused");
    let mut agent = sandbox(&vmm);
    agent.run("c1", &["sleep", "600"]);
    agent.ok("PauseContainer", target("c1", ""));
    agent.send(AGENT, "ExecProcess", Builder::new().text(1, "c1").text(2, "e1").message(4, process(&["true"])));
    agent.send(AGENT, "ResumeContainer", target("c1", ""));
    silent(&mut agent);
    agent.check();
    let mut agent = Agent::greet(vmm_reconnect(&vmm, agent), [1; 16], 2);
    agent.ok("ResumeContainer", target("c1", ""));
}

fn vmm_reconnect(vmm: &Vmm, agent: Agent) -> std::os::unix::net::UnixStream {
    drop(agent);
    vmm.agent_stream()
}

#[test]
fn wait_discards() {
    let vmm = Vmm::start("fake.fault=wait-discards");
    let mut agent = sandbox(&vmm);
    agent.run("c1", &["echo", "lost"]);
    assert_eq!(agent.wait("c1", ""), 0);
    assert_eq!(agent.ok("ReadStdout", target("c1", "").number(3, 100)), Vec::<u8>::new());
}

#[test]
fn cut_create_half_made() {
    let vmm = Vmm::start("fake.fault=cut-create-half-made:100");
    let mut agent = sandbox(&vmm);
    agent.send(AGENT, "CreateContainer", container("c1", &["true"]));
    let mut agent = Agent::greet(vmm_reconnect(&vmm, agent), [1; 16], 2);
    assert_eq!(agent.code("CreateContainer", container("c1", &["true"])), 13);
    agent.ok("CreateContainer", container("c1", &["true"]));
}

#[test]
fn early_connect_kills_port() {
    let vmm = Vmm::start("fake.fault=early-connect-kills-port,boot-delay:200");
    let mut early = vmm.agent_stream();
    early.write_all(&[&BOOT[..], &[1, 1], &[1; 16]].concat()).expect("HELLO");
    early.set_read_timeout(Some(Duration::from_millis(400))).expect("set a timeout");
    assert!(early.read(&mut [0; 1]).is_err());
    let patient = Vmm::start("fake.fault=early-connect-kills-port");
    // The monitor answers after the first turn of the loop, in which a guest without delay boots.
    patient.qmp();
    patient.agent().check();
}

#[test]
fn link_mute_and_garbage() {
    let vmm = Vmm::start("fake.fault=link-mute");
    let mut stream = vmm.agent_stream();
    stream.write_all(&[&BOOT[..], &[1, 1], &[1; 16]].concat()).expect("HELLO");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
    assert!(stream.read(&mut [0; 1]).is_err());
    // A host that searches for its token finds it behind the garbage.
    Vmm::start("fake.fault=link-garbage").agent().check();
}

#[test]
fn agent_mute_with_and_without_a_method() {
    let vmm = Vmm::start("fake.fault=agent-mute:GetMetrics");
    let mut agent = vmm.agent();
    agent.send(AGENT, "GetMetrics", Builder::new());
    silent(&mut agent);
    agent.check();
    vmm.qmp().fault("agent-mute");
    agent.send("grpc.Health", "Check", Builder::new());
    silent(&mut agent);
}

#[test]
fn agent_frames_are_spoiled() {
    let vmm = Vmm::start("");
    let mut agent = vmm.agent();
    let mut qmp = vmm.qmp();
    let mut raw = |agent: &mut Agent, fault: &str| {
        qmp.fault(&format!("clear,{fault}"));
        agent.send("grpc.Health", "Check", Builder::new());
        let mut bytes = [0; 256];
        let count = agent.stream.read(&mut bytes).expect("an answer");
        bytes[..count].to_vec()
    };
    assert_eq!(raw(&mut agent, "agent-garbage").len(), 64);
    let header = |bytes: &[u8]| bytes[..4].iter().fold(0u32, |length, byte| length << 8 | u32::from(*byte));
    assert_eq!(header(&raw(&mut agent, "agent-oversized")), 64 << 20);
    assert_eq!(raw(&mut agent, "agent-even-stream")[7] % 2, 0);
    assert_eq!(raw(&mut agent, "agent-duplicate").len(), 32);
}

#[test]
fn agent_out_of_order() {
    let vmm = Vmm::start("fake.fault=agent-out-of-order");
    let mut agent = vmm.agent();
    let (first, second) = (agent.send("grpc.Health", "Check", Builder::new()), agent.send("grpc.Health", "Check", Builder::new()));
    let order = [agent.any_frame().0, agent.any_frame().0];
    assert_eq!(order, [second, first]);
    agent.check();
}

#[test]
fn agent_slow() {
    let vmm = Vmm::start("fake.fault=agent-slow:80");
    let mut agent = vmm.agent();
    let begun = Instant::now();
    agent.check();
    assert!(begun.elapsed() >= Duration::from_millis(80));
}

#[test]
fn agent_dies_and_restarts() {
    let vmm = Vmm::start("fake.fault=agent-dies-after:1");
    let mut agent = vmm.agent();
    agent.check();
    agent.send("grpc.Health", "Check", Builder::new());
    silent(&mut agent);

    let vmm = Vmm::start("fake.fault=agent-restarts-after:2");
    let mut agent = sandbox(&vmm);
    agent.check();
    agent.send("grpc.Health", "Check", Builder::new());
    silent(&mut agent);
    let before = agent.instance;
    drop(agent);
    let mut agent = Agent::greet(vmm.agent_stream(), BOOT, 3);
    assert_ne!(agent.instance, before);
    agent.ok("CreateSandbox", Builder::new());
}

#[test]
fn agent_backtrace() {
    let vmm = Vmm::start("fake.fault=agent-backtrace");
    let (_, message) = vmm.agent().call(AGENT, "StartContainer", target("c1", "")).expect_err("absent");
    assert!(message.contains("\n\nStack backtrace"));
}

#[test]
fn oom_event() {
    let vmm = Vmm::start("fake.fault=oom-event:c1");
    let mut agent = sandbox(&vmm);
    let (event, stream) = (agent.send(AGENT, "GetOOMEvent", Builder::new()), agent.send(GUEST, "Events", Builder::new()));
    agent.run("c1", &["sleep", "600"]);
    assert_eq!(agent.wait("c1", ""), 137);
    let (kind, body) = agent.frame_of(event);
    assert_eq!(kind, RESPONSE);
    assert_eq!(Message::parse(&body).expect("well-formed").message(2).text(1), "c1");
    let (_, body) = agent.frame_of(stream);
    assert_eq!(Message::parse(&body).expect("well-formed").message(1).text(1), "c1");
}
