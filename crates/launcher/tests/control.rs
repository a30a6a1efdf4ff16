//! control.sock: garbage, many clients, clients that do not read.

mod support;

use support::{int, text, Control, Launch};
use viv_launcher::json::Value;

fn error_code(answer: &Value) -> String {
    text(answer.get("error").unwrap_or_else(|| panic!("no error in {answer}")), "code")
}

#[test]
fn garbage_is_answered_and_harms_nobody() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    launch.start();
    let mut control = launch.control();
    control.line();
    for garbage in [
        "",
        "x",
        "{}",
        "[]",
        "{\"cmd\":1}",
        "{\"cmd\":\"signal\"}",
        "{\"cmd\":\"signal\",\"signal\":0}",
        "{\"cmd\":\"signal\",\"signal\":99}",
    ] {
        assert_eq!(error_code(&control.ask(garbage)), "bad_request", "{garbage}");
    }
    control.send(b"\xff\xfe\n");
    assert_eq!(error_code(&control.line().expect("an answer")), "bad_request");
    assert_eq!(control.ask(r#"{"cmd":"status","unknown":true}"#).get("ok"), Some(&Value::Bool(true)));
}

#[test]
fn a_line_in_pieces_and_two_lines_at_once_are_answered() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    launch.start();
    let mut control = launch.control();
    control.line();
    control.send(b"{\"cmd\":");
    control.send(b"\"status\"}\n{\"cmd\":\"status\"}\n");
    assert!(control.line().expect("one").get("ok").is_some());
    assert!(control.line().expect("two").get("ok").is_some());
}

#[test]
fn an_endless_line_ends_its_client_only() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    launch.start();
    let (mut endless, mut other) = (launch.control(), launch.control());
    endless.line();
    other.line();
    endless.send(&[b'x'; 5000]);
    assert_eq!(error_code(&endless.line().expect("an answer")), "bad_request");
    assert!(other.ask(r#"{"cmd":"status"}"#).get("ok").is_some());
}

#[test]
fn sixteen_clients_are_served_and_hear_the_end_and_no_more_come_in() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    launch.start();
    let mut clients: Vec<Control> = (0..16).map(|_| launch.control()).collect();
    for client in &mut clients {
        assert_eq!(text(&client.line().expect("the record"), "state"), "running");
    }
    assert_eq!(launch.control().line(), None, "a seventeenth client was served");
    clients.pop();
    clients[0].ask(r#"{"cmd":"status"}"#);
    let mut late = launch.control();
    late.line().expect("the freed place");
    clients.push(late);
    clients[0].ask(r#"{"cmd":"signal","signal":9}"#);
    for mut client in clients {
        assert_eq!(int(&client.line().expect("the end"), "signal"), 9);
    }
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_delays_nobody() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    launch.start();
    let (mut deaf, mut other) = (launch.control(), launch.control());
    other.line();
    let status = b"{\"cmd\":\"status\"}\n".repeat(64);
    // Its answers fill the socket; the launcher then closes it, which the writer sees.
    let dropped = (0..10_000).any(|_| std::io::Write::write_all(deaf.reader.get_mut(), &status).is_err());
    assert!(dropped, "a client that never read was kept");
    assert!(other.ask(r#"{"cmd":"status"}"#).get("ok").is_some());
}
