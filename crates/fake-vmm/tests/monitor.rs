//! The monitor without faults.

mod support;

use std::io::{Read, Write};
use std::process::Command;
use support::agent::Agent;
use support::{read_until, Qmp, Vmm};
use viv_launcher::json::Value;

#[test]
fn the_version_is_told_like_qemus() {
    let output = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_fake-vmm")).args(arguments).output().expect("run");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(output(&["--version"]), "QEMU emulator version 7.2.22 (fake-vmm)\n");
    assert_eq!(output(&["--fake-fault=old-version", "--version"]), "QEMU emulator version 4.2.0 (fake-vmm)\n");
    assert!(output(&["-accel", "help"]).contains("tcg"));
    assert!(output(&["-machine", "help"]).contains("\nq35 "));
    assert!(output(&["-device", "help"]).contains("name \"vhost-user-fs-pci\""));
}

#[test]
fn it_connects_to_a_file_system_daemon_and_fails_without_one() {
    let path = format!("/tmp/vv-fs-{}.sock", std::process::id());
    let chardev = format!("socket,id=fs0,path={path}");
    let mut without = Vmm::start_with("", &["-chardev", &chardev]);
    assert_eq!(without.end().code(), Some(1));
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("bind");
    let vmm = Vmm::start_with("", &["-chardev", &chardev]);
    let (mut daemon, _) = listener.accept().expect("a connection");
    std::fs::remove_file(&path).expect("remove");
    drop(vmm);
    assert_eq!(daemon.read(&mut [0; 1]).expect("the end"), 0);
}

#[test]
fn greeting_and_negotiation_come_first() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.raw_qmp();
    let version = qmp.line().get("QMP").and_then(|greeting| greeting.get("version")).and_then(|version| version.get("qemu")).cloned().expect("a version");
    assert_eq!((version.get("major"), version.get("micro")), (Some(&Value::Int(7)), Some(&Value::Int(22))));
    assert_eq!(qmp.error_class("query-status", "{}"), "CommandNotFound");
    qmp.ok("qmp_capabilities");
    assert_eq!(qmp.status(), "running");
    assert_eq!(qmp.error_class("qmp_capabilities", "{}"), "CommandNotFound");
}

#[test]
fn clients_come_one_after_another() {
    let vmm = Vmm::start("");
    for _ in 0..3 {
        assert_eq!(vmm.qmp().status(), "running");
    }
    let first = vmm.qmp();
    let mut waiting = vmm.raw_qmp();
    drop(first);
    assert!(waiting.line().get("QMP").is_some());
}

#[test]
fn what_is_unknown_or_malformed_is_an_error() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    assert_eq!(qmp.error_class("no-such-command", "{}"), "CommandNotFound");
    for text in ["garbage\n", "{\"execute\":1}\n", "{}\n", "[]\n"] {
        qmp.send(text);
        assert!(qmp.line().get("error").is_some(), "{text}");
    }
    qmp.send("{\"execute\":\"query-status\"}{\"execute\":\"query-version\"}");
    assert!(qmp.line().get("return").is_some() && qmp.line().get("return").is_some());
}

#[test]
fn stop_and_cont_are_told_before_they_are_answered() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    qmp.ok("stop");
    assert_eq!((qmp.event().0.as_str(), qmp.status().as_str()), ("STOP", "paused"));
    qmp.ok("stop");
    qmp.ok("cont");
    assert_eq!((qmp.event().0.as_str(), qmp.status().as_str()), ("RESUME", "running"));
}

#[test]
fn a_stopped_guest_neither_answers_nor_ages() {
    let vmm = Vmm::start("");
    let (mut qmp, mut agent) = (vmm.qmp(), vmm.agent());
    agent.run("c1", &["sh", "-c", "sleep 0.05; exit 1"]);
    qmp.ok("stop");
    let call = agent.send("grpc.Health", "Check", Default::default());
    agent.stream.set_read_timeout(Some(std::time::Duration::from_millis(150))).expect("set a timeout");
    assert!(agent.stream.read(&mut [0; 1]).is_err(), "a stopped guest answered");
    agent.stream.set_read_timeout(Some(support::PATIENCE)).expect("set a timeout");
    qmp.ok("cont");
    assert!(agent.answer_to(call).is_ok());
    assert_eq!(agent.wait("c1", ""), 1);
}

#[test]
fn a_machine_started_stopped_boots_at_cont() {
    let vmm = Vmm::start_with("", &["-S"]);
    let mut qmp = vmm.qmp();
    assert_eq!(qmp.status(), "prelaunch");
    qmp.ok("cont");
    vmm.agent().check();
}

#[test]
fn power_down_leaves_a_stopped_machine_and_quit_ends_it() {
    let mut vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    vmm.agent().check();
    qmp.ok("system_powerdown");
    let names = [qmp.event().0, qmp.event().0, qmp.event().0];
    assert_eq!(names, ["POWERDOWN", "SHUTDOWN", "STOP"]);
    assert_eq!(qmp.status(), "shutdown");
    assert_eq!(qmp.error_class("cont", "{}"), "GenericError");
    qmp.ok("quit");
    assert_eq!(qmp.event().0, "SHUTDOWN");
    assert_eq!(vmm.end().code(), Some(0));
}

#[test]
fn a_sandbox_that_is_destroyed_powers_the_guest_off() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    vmm.agent().ok("DestroySandbox", Default::default());
    let (name, data) = qmp.event();
    assert_eq!((name.as_str(), data.get("guest")), ("SHUTDOWN", Some(&Value::Bool(true))));
}

#[test]
fn a_termination_signal_ends_it_in_order() {
    let mut vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    // SAFETY: signals the process this test started.
    unsafe { libc::kill(vmm.child.id() as i32, libc::SIGTERM) };
    let (name, data) = qmp.event();
    assert_eq!((name.as_str(), data.get("reason")), ("SHUTDOWN", Some(&Value::from("host-signal"))));
    assert_eq!(vmm.end().code(), Some(0));
}

#[test]
fn a_reset_boots_another_agent() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    let before = vmm.agent().instance;
    qmp.ok("system_reset");
    assert_eq!(qmp.event().0, "RESET");
    let mut agent: Agent = vmm.agent();
    agent.check();
    assert_ne!(agent.instance, before);
}

#[test]
fn devices_come_and_go_with_an_event() {
    let vmm = Vmm::start("");
    let mut qmp = vmm.qmp();
    qmp.ok_with("device_add", r#"{"driver":"virtio-net-pci","id":"n0"}"#);
    assert_eq!(qmp.error_class("device_add", r#"{"driver":"virtio-net-pci","id":"n0"}"#), "GenericError");
    assert!(qmp.ok_with("qom-list", r#"{"path":"/machine/peripheral"}"#).to_string().contains("child<virtio-net-pci>"));
    assert_eq!(qmp.ok_with("qom-get", r#"{"path":"/machine/peripheral/n0","property":"type"}"#), Value::from("virtio-net-pci"));
    qmp.ok_with("device_del", r#"{"id":"n0"}"#);
    let (name, data) = qmp.event();
    assert_eq!((name.as_str(), data.get("device")), ("DEVICE_DELETED", Some(&Value::from("n0"))));
    assert_eq!(qmp.error_class("device_del", r#"{"id":"n0"}"#), "DeviceNotFound");
}

#[test]
fn queries_have_the_shapes_of_the_schema() {
    let vmm = Vmm::start("");
    let mut qmp: Qmp = vmm.qmp();
    for (command, part) in [
        ("query-version", r#""major":7"#),
        ("query-name", r#""name":"test""#),
        ("query-cpus-fast", r#""cpu-index":1"#),
        ("query-hotpluggable-cpus", r#""vcpus-count":1"#),
        ("query-chardev", r#""label":"agent""#),
        ("query-kvm", r#""enabled":false"#),
        ("query-memory-size-summary", r#""base-memory":268435456"#),
        ("query-memory-devices", "[]"),
        ("query-block", "[]"),
        ("query-named-block-nodes", "[]"),
        ("query-pci", "[]"),
        ("human-monitor-command", r#""""#),
    ] {
        let answer = qmp.ok(command).to_string();
        assert!(answer.contains(part), "{command}: {answer}");
    }
}

#[test]
fn the_console_tells_of_the_boot_and_echoes() {
    let vmm = Vmm::start("boot-params fake.fault=boot-delay:100");
    let mut console = vmm.console();
    console.write_all(b"typed").expect("type");
    read_until(&mut console, |seen| {
        let seen = String::from_utf8_lossy(seen);
        seen.contains("Run /init") && seen.contains("typed")
    });
}
