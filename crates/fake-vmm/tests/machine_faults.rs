//! The machine's and the monitor's faults do what README.md says of them.

mod support;

use fake_vmm::agent::wire::Builder;
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};
use support::agent::{container, Agent, AGENT, BOOT};
use support::{read_until, Qmp, Vmm};
use viv_launcher::json::Value;

fn sandbox(vmm: &Vmm) -> Agent {
    let mut agent = vmm.agent();
    agent.ok("CreateSandbox", Builder::new().text(5, "sb"));
    agent
}

#[test]
fn an_unknown_fault_is_refused_at_the_start_and_live() {
    let output = Command::new(env!("CARGO_BIN_EXE_fake-vmm")).args(["-append", "fake.fault=no-such"]).output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    let vmm = Vmm::start("");
    assert_eq!(vmm.qmp().error_class("x-fake-fault", r#"{"fault":"no-such"}"#), "GenericError");
}

#[test]
fn the_readme_names_every_fault_and_no_other() {
    let readme = include_str!("../README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', ':', '[']).next());
    let mut named: Vec<&str> = rows.collect();
    let mut known: Vec<&str> = fake_vmm::faults::KNOWN.to_vec();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn qmp_no_greeting() {
    let vmm = Vmm::start("fake.fault=qmp-no-greeting");
    let mut qmp = vmm.raw_qmp();
    qmp.reader.get_mut().set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
    assert!(qmp.reader.get_mut().read(&mut [0; 1]).is_err());
}

#[test]
fn qmp_garbage() {
    let vmm = Vmm::start("fake.fault=qmp-garbage");
    let garbage = read_until(vmm.raw_qmp().reader.get_mut(), |seen| seen.len() >= 2);
    assert!(garbage.starts_with(b"\x00\xff"));
}

#[test]
fn qmp_unknown_fields() {
    let vmm = Vmm::start("fake.fault=qmp-unknown-fields");
    let mut qmp = vmm.qmp();
    let answer = qmp.execute("query-status", "{}");
    assert!(answer.get("x-from-the-future").is_some() && answer.get("return").is_some());
}

#[test]
fn qmp_huge_line() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    qmp.fault("qmp-huge-line");
    qmp.send("{\"execute\":\"query-status\"}\n");
    let line = qmp.raw_line().expect("a line");
    assert!(line.len() > 20 << 20 && line.contains("running"));
}

#[test]
fn qmp_mute_after_and_closes_after() {
    let vmm = Vmm::start("");
    let mut qmp: Qmp = vmm.qmp();
    qmp.fault("qmp-closes-after:3");
    qmp.ok("query-status");
    qmp.send("{\"execute\":\"query-status\"}\n");
    assert_eq!(qmp.raw_line(), None);
    let mut qmp = vmm.qmp();
    qmp.fault("qmp-mute-after:0");
    qmp.send("{\"execute\":\"query-status\"}\n");
    qmp.reader.get_mut().set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
    assert!(qmp.reader.get_mut().read(&mut [0; 1]).is_err());
}

#[test]
fn qmp_event_flood() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    qmp.fault("qmp-event-flood");
    qmp.ok("stop");
    assert_eq!(qmp.events.len(), 1001);
}

#[test]
fn boot_delay_and_boot_hang() {
    let begun = Instant::now();
    Vmm::start("fake.fault=boot-delay:150").agent().check();
    assert!(begun.elapsed() >= Duration::from_millis(150));

    let vmm = Vmm::start("fake.fault=boot-hang");
    let mut stream = vmm.agent_stream();
    stream.write_all(&[&BOOT[..], &[1, 1], &[1; 16]].concat()).expect("HELLO");
    let mut console = vmm.console();
    read_until(&mut console, |seen| String::from_utf8_lossy(seen).contains("waiting for root device"));
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
    assert!(stream.read(&mut [0; 1]).is_err());
}

#[test]
fn boot_panic_and_panic_on_a_method() {
    let vmm = Vmm::start("fake.fault=boot-panic,boot-delay:100");
    let mut qmp = vmm.qmp();
    let (name, data) = qmp.event();
    assert_eq!((name.as_str(), data.get("action")), ("GUEST_PANICKED", Some(&Value::from("pause"))));

    let vmm = Vmm::start("fake.fault=guest-panic-on:CreateContainer");
    let mut qmp = vmm.qmp();
    let mut agent = sandbox(&vmm);
    agent.send(AGENT, "CreateContainer", container("c1", &["true"]));
    assert_eq!([qmp.event().0, qmp.event().0], ["GUEST_PANICKED", "STOP"]);
}

#[test]
fn guest_shutdown_on_a_method() {
    let vmm = Vmm::start("fake.fault=guest-shutdown-on:Check");
    let mut qmp = vmm.qmp();
    vmm.agent().send("grpc.Health", "Check", Builder::new());
    assert_eq!([qmp.event().0, qmp.event().0], ["SHUTDOWN", "STOP"]);
}

#[test]
fn exit_at_start_and_die_on() {
    let mut vmm = Vmm::start("fake.fault=exit-at-start:3");
    assert_eq!(vmm.end().code(), Some(3));
    for (fault, by_agent) in [("die-on:stop", false), ("die-on:Check", true)] {
        let mut vmm = Vmm::start(&format!("fake.fault={fault}"));
        if by_agent {
            vmm.agent().send("grpc.Health", "Check", Builder::new());
        } else {
            vmm.qmp().send("{\"execute\":\"stop\"}\n");
        }
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&vmm.end()), Some(9), "{fault}");
    }
}

#[test]
fn ignore_powerdown_and_ignore_quit() {
    let vmm = Vmm::start("fake.fault=ignore-powerdown,ignore-quit");
    let mut qmp = vmm.qmp();
    qmp.ok("system_powerdown");
    assert_eq!(qmp.event().0, "POWERDOWN");
    assert_eq!(qmp.status(), "running");
    qmp.send("{\"execute\":\"quit\"}\n");
    assert_eq!(qmp.status(), "running");
}

#[test]
fn device_del_hangs() {
    let vmm = Vmm::start("fake.fault=device-del-hangs");
    let mut qmp = vmm.qmp();
    qmp.ok_with("device_add", r#"{"driver":"virtio-net-pci","id":"n0"}"#);
    qmp.ok_with("device_del", r#"{"id":"n0"}"#);
    qmp.reader.get_mut().set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
    assert!(qmp.reader.get_mut().read(&mut [0; 1]).is_err());
}

#[test]
fn old_version_in_the_greeting() {
    let vmm = Vmm::start("fake.fault=old-version");
    assert!(vmm.raw_qmp().line().to_string().contains("\"major\":4"));
}
