//! Bounded logs and the console.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use support::{Launch, PATIENCE};

#[test]
fn the_log_keeps_the_last_bytes_within_its_bound() {
    let launch = Launch::shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", r#""ring_bytes":8192,"#);
    launch.run_to_end();
    let (now, before) = (launch.read("stderr.log"), launch.read("stderr.log.1"));
    assert!(now.len() <= 8192 && before.len() == 8192, "{} {}", now.len(), before.len());
    assert!(now.ends_with("line 19999\n"));
    let kept = format!("{before}{now}");
    let last_lines: Vec<&str> = kept.lines().rev().take(500).collect();
    let expected: Vec<String> = (19500..20000).rev().map(|number| format!("line {number}")).collect();
    assert_eq!(last_lines, expected);
}

#[test]
fn stdout_and_stderr_share_the_log_in_order() {
    let launch = Launch::shell("echo one; echo two >&2; echo three", "");
    launch.run_to_end();
    assert_eq!(launch.read("stderr.log"), "one\ntwo\nthree\n");
}

/// Speaks on the descriptor that a VMM would get for its serial port.
fn console_launch(script: &str, more: &str) -> Launch {
    Launch::shell(&format!("exec 0<&{{fd:console}} 1>&{{fd:console}}; {script}"), &format!(r#""console":true,{more}"#))
}

fn console(launch: &Launch) -> UnixStream {
    let stream = UnixStream::connect(launch.path("console.sock")).expect("connect to console.sock");
    stream.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    stream
}

fn read_exactly(stream: &mut UnixStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("console output");
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_console_goes_both_ways_and_to_all_clients() {
    let launch = console_launch("while read word; do echo \"<$word>\"; done", "");
    launch.start();
    let (mut first, mut second) = (console(&launch), console(&launch));
    // The second one's own words prove that both are accepted before the first speaks.
    second.write_all(b"a\n").expect("type");
    assert_eq!(read_exactly(&mut second, 4), "<a>\n");
    assert_eq!(read_exactly(&mut first, 4), "<a>\n");
    first.write_all(b"b\n").expect("type");
    assert_eq!(read_exactly(&mut first, 4), "<b>\n");
    assert_eq!(read_exactly(&mut second, 4), "<b>\n");
}

#[test]
fn the_console_is_kept_in_a_ring_without_any_client() {
    let launch = console_launch("i=0; while [ $i -lt 5000 ]; do echo boot $i; i=$((i+1)); done", r#""ring_bytes":4096,"#);
    launch.run_to_end();
    assert!(launch.read("console.log").ends_with("boot 4999\n"));
    assert_eq!(fs::metadata(launch.path("console.log.1")).expect("older half").len(), 4096);
    assert!(!launch.path("console.sock").exists());
}

#[test]
fn a_console_client_that_does_not_read_is_dropped_and_the_guest_goes_on() {
    let launch = console_launch("head -c 4000000 /dev/zero; read word; echo done >&2", "");
    launch.start();
    let deaf = console(&launch);
    let mut control = launch.control();
    control.line();
    let mut typist = console(&launch);
    // Ignored errors: the typist too may be dropped for not reading.
    let _ = typist.write_all(b"go\n");
    drop(typist);
    control.drain();
    assert!(launch.read("stderr.log").contains("done"));
    drop(deaf);
}

#[test]
fn a_guest_that_does_not_read_blocks_typing_and_not_the_launcher() {
    let launch = console_launch("exec sleep 600", "");
    launch.start();
    let mut typist = console(&launch);
    typist.set_write_timeout(Some(std::time::Duration::from_millis(300))).expect("set a timeout");
    let stuck = (0..2000).any(|_| typist.write_all(&[b'x'; 4096]).is_err());
    assert!(stuck, "8 MB went to a guest that reads nothing");
    let mut control = launch.control();
    control.line();
    assert!(control.ask(r#"{"cmd":"status"}"#).get("ok").is_some());
}
