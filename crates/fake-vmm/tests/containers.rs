//! The agent's side without faults: link, containers, streams.

mod support;

use fake_vmm::agent::wire::{Builder, Message};
use fake_vmm::guest::program::spewed;
use std::io::Write;
use support::agent::{container, process, target, Agent, Output, AGENT, GUEST, STREAMS};
use support::Vmm;

fn ready(vmm: &Vmm) -> Agent {
    let mut agent = vmm.agent();
    agent.check();
    agent.ok("CreateSandbox", Builder::new().text(1, "host").text(5, "sb"));
    agent
}

#[test]
fn a_container_runs_to_its_end() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["/bin/sh", "-c", "echo a; echo b >&2; exit 7"]);
    assert_eq!(agent.output("c1", ""), (b"a\n".to_vec(), b"b\n".to_vec(), 7));
    assert_eq!(agent.wait("c1", ""), 7);
    assert_eq!(agent.wait("c1", "c1"), 7);
    agent.ok("RemoveContainer", target("c1", ""));
    assert_eq!(agent.code("WaitProcess", target("c1", "")), 5);
}

#[test]
fn execs_have_streams_and_ends_of_their_own() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["sleep", "600"]);
    assert!(agent.exec("c1", "e1", &["echo", "one"]).is_ok());
    assert!(agent.exec("c1", "e2", &["false"]).is_ok());
    assert_eq!(agent.exec("c1", "e1", &["true"]).expect_err("taken").0, 6);
    assert_eq!(agent.exec("c1", "e3", &["/no/such"]).expect_err("missing").0, 9);
    assert_eq!(agent.output("c1", "e1"), (b"one\n".to_vec(), Vec::new(), 0));
    assert_eq!(agent.output("c1", "e2"), (Vec::new(), Vec::new(), 1));
    agent.signal("c1", "", 9);
    assert_eq!(agent.wait("c1", ""), 137);
}

#[test]
fn a_command_that_is_missing_fails_at_the_start() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.ok("CreateContainer", container("c1", &["/usr/bin/python3"]));
    let (code, message) = agent.call(AGENT, "StartContainer", target("c1", "")).expect_err("start");
    assert_eq!(code, 9);
    assert!(message.contains("executable file not found"));
}

#[test]
fn stdin_goes_through_by_offset_and_each_byte_once() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["cat"]);
    let write = |offset: u64, data: &[u8], eof: u64| target("c1", "").number(3, offset).data(4, data).number(5, eof);
    let accepted = |answer: Vec<u8>| Message::parse(&answer).expect("well-formed").number(1);
    assert_eq!(agent.call(STREAMS, "WriteStdin", write(0, b"hello ", 0)).map(accepted), Ok(6));
    assert_eq!(agent.call(STREAMS, "WriteStdin", write(3, b"lo world", 0)).map(accepted), Ok(11));
    assert_eq!(agent.call(STREAMS, "WriteStdin", write(20, b"x", 0)).expect_err("a gap").0, 11);
    assert_eq!(agent.call(STREAMS, "WriteStdin", write(11, b"", 1)).map(accepted), Ok(11));
    assert_eq!(agent.output("c1", ""), (b"hello world".to_vec(), Vec::new(), 0));
}

#[test]
fn large_stdin_comes_back_whole() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["cat"]);
    let data: Vec<u8> = (0..900_000).map(spewed).collect();
    let call = agent.send(STREAMS, "WriteStdin", target("c1", "").data(4, &data).number(5, 1));
    assert_eq!(agent.output("c1", "").0, data);
    assert!(agent.answer_to(call).is_ok());
}

#[test]
fn output_is_held_by_its_window_and_freed_by_acknowledgements() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["spew", "3000000"]);
    let stream = agent.send(STREAMS, "Output", target("c1", "").number(5, 1000));
    let Output::Chunk { data, .. } = agent.next_output(stream) else { panic!("no chunk") };
    assert_eq!(data.len(), 1000);
    // Nothing more before the acknowledgement: the next frame is the check's.
    agent.check();
    assert!(agent.call(STREAMS, "Ack", target("c1", "").number(3, 600)).is_ok());
    assert_eq!(agent.next_output(stream), Output::Chunk { index: 0, offset: 1000, data: (1000..1600).map(spewed).collect() });
    assert_eq!(agent.call(STREAMS, "Ack", target("c1", "").number(3, 1 << 40)).expect_err("too far").0, 11);
    // A second reader ends the first; one below what is kept is refused.
    assert_eq!(agent.call(STREAMS, "Output", target("c1", "").number(3, 599)).expect_err("freed").0, 11);
    let second = agent.send(STREAMS, "Output", target("c1", "").number(3, 600).number(5, 1000));
    assert_eq!(agent.answer_to(stream).expect_err("replaced").0, 10);
    assert_eq!(agent.next_output(second), Output::Chunk { index: 0, offset: 600, data: (600..1600).map(spewed).collect() });
}

#[test]
fn megabytes_of_output_arrive_in_order() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["spew", "20000000"]);
    let (stdout, _, status) = agent.output("c1", "");
    assert_eq!((stdout.len(), status), (20_000_000, 0));
    assert!(stdout.iter().zip((0..).map(spewed)).all(|(left, right)| *left == right));
}

#[test]
fn a_reconnect_keeps_what_runs_and_streams_go_on_by_offset() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["spew", "2000000"]);
    agent.send(STREAMS, "Output", target("c1", ""));
    let (token, instance) = (agent.token, agent.instance);
    // In the middle of a large frame of ours, and with frames of theirs unread.
    agent.stream.write_all(&[0, 0x30, 0, 0, 0, 0, 0, 9, 1, 0, 1, 2, 3]).expect("half a frame");
    drop(agent);
    let mut agent = Agent::greet(vmm.agent_stream(), token, 2);
    assert_eq!(agent.instance, instance);
    agent.check();
    let list = agent.call(GUEST, "ListProcesses", Builder::new()).expect("a list");
    let entry = Message::parse(&list).expect("well-formed").message(1);
    assert_eq!((entry.text(1).as_str(), entry.number(7), entry.number(8)), ("c1", 1 << 20, 0));
    let (stdout, _, _) = agent.output("c1", "");
    assert_eq!(stdout.len(), 2_000_000);
}

#[test]
fn a_hello_takes_over_on_the_same_connection_too() {
    let vmm = Vmm::start("");
    let agent = ready(&vmm);
    let mut again = Agent::greet(agent.stream.try_clone().expect("clone"), agent.token, 3);
    again.check();
}

#[test]
fn the_kata_protocols_streams_work_as_well() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["cat"]);
    let written = agent.ok("WriteStdin", target("c1", "c1").data(3, b"abc"));
    assert_eq!(Message::parse(&written).expect("well-formed").number(1), 3);
    let read = agent.ok("ReadStdout", target("c1", "").number(3, 100));
    assert_eq!(Message::parse(&read).expect("well-formed").bytes(1), b"abc");
    agent.ok("CloseStdin", target("c1", ""));
    assert_eq!(agent.ok("ReadStdout", target("c1", "").number(3, 100)), Vec::<u8>::new());
    assert_eq!(agent.wait("c1", ""), 0);
}

#[test]
fn signals_end_what_does_not_handle_them() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["trap-term", "5"]);
    for (exec, signal, expected) in [("e1", 15, 143), ("e2", 2, 130), ("e3", 9, 137)] {
        agent.exec("c1", exec, &["sleep", "600"]).expect("exec");
        agent.signal("c1", exec, signal);
        assert_eq!(agent.wait("c1", exec), expected);
    }
    agent.signal("c1", "", 28);
    agent.signal("c1", "", 15);
    assert_eq!(agent.output("c1", ""), (b"TERM\n".to_vec(), Vec::new(), 5));
    agent.run("c2", &["sleep", "600"]);
    agent.signal("c2", "", 15);
    assert_eq!(agent.wait("c2", ""), 137, "the first process of a namespace without a handler is killed");
}

#[test]
fn a_paused_container_stands_still() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["cat"]);
    agent.ok("PauseContainer", target("c1", ""));
    assert_eq!(agent.exec("c1", "e1", &["true"]).expect_err("paused").0, 9);
    agent.call(STREAMS, "WriteStdin", target("c1", "").data(4, b"x").number(5, 1)).expect("into the pipe");
    let read = agent.send(AGENT, "ReadStdout", target("c1", "").number(3, 10));
    agent.check();
    agent.ok("ResumeContainer", target("c1", ""));
    assert_eq!(agent.answer_to(read), Ok(Builder::new().data(1, b"x").finish()));
}

#[test]
fn bad_requests_have_codes() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    let bad_environment = Builder::new().text(1, "c1").message(6, Builder::new().message(2, process(&["true"]).text(5, "BAD")));
    for (code, method, payload) in [
        (6, "CreateSandbox", Builder::new()),
        (3, "CreateContainer", container("x", &["true"])),
        (3, "CreateContainer", container("../c", &["true"])),
        (3, "CreateContainer", container("c1", &[])),
        (3, "CreateContainer", bad_environment),
        (5, "StartContainer", target("c9", "")),
        (5, "SignalProcess", target("c9", "").number(3, 9)),
        (12, "NoSuchMethod", Builder::new()),
    ] {
        assert_eq!(agent.code(method, payload), code, "{method}");
    }
    assert_eq!(agent.call("no.Service", "X", Builder::new()).expect_err("unknown").0, 3);
    agent.ok("CreateContainer", container("c1", &["true"]));
    assert_eq!(agent.code("CreateContainer", container("c1", &["true"])), 6);
}

#[test]
fn events_tell_of_ends() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    let events = agent.send(GUEST, "Events", Builder::new());
    agent.run("c1", &["sh", "-c", "exit 3"]);
    let (_, body) = agent.frame_of(events);
    let ended = Message::parse(&body).expect("well-formed").message(2);
    assert_eq!((ended.text(1).as_str(), ended.message(3).number(1)), ("c1", 3));
}

#[test]
fn the_guest_tells_of_itself() {
    let vmm = Vmm::start("");
    let mut agent = vmm.agent();
    let info = agent.call(GUEST, "Info", Builder::new()).expect("info");
    let info = Message::parse(&info).expect("well-formed");
    assert_eq!((info.number(6), info.number(7)), (256 << 20, 2));
    agent.ok("SetGuestDateTime", Builder::new().number(1, 1));
}

#[test]
fn it_is_small() {
    let vmm = Vmm::start("");
    let mut agent = ready(&vmm);
    agent.run("c1", &["sleep", "600"]);
    agent.exec("c1", "e1", &["spew", "5000000"]).expect("exec");
    agent.output("c1", "e1");
    // After this answer the last acknowledgement has been handled too.
    agent.check();
    let bound = if cfg!(debug_assertions) { 4096 } else { 2048 };
    assert!(vmm.pss_kib() < bound, "{} KiB", vmm.pss_kib());
}
