//! Living and ending: signals, the published end, and the launcher's own death.

mod support;

use std::fs;
use support::{gated, int, kill, text, Launch};
use viv_launcher::json::Value;

#[test]
fn the_end_is_in_the_record_and_told_to_clients() {
    let launch = Launch::empty();
    let script = gated(launch.dir.to_str().expect("UTF-8"), "echo last words; exit 7");
    let launch = with_script(launch, &script, "");
    launch.start();
    let mut control = launch.control();
    assert_eq!(text(&control.line().expect("the record"), "state"), "running");
    fs::write(launch.path("gate"), "").expect("open the gate");
    let told = control.line().expect("the end");
    assert_eq!(control.line(), None);
    assert_eq!(told, launch.record());
    assert_eq!((text(&told, "state").as_str(), int(&told, "exit_code")), ("exited", 7));
    assert_eq!((told.get("signal"), told.get("core")), (Some(&Value::Null), Some(&Value::Bool(false))));
    assert!(int(&told, "exited_at_ms") >= int(&told, "started_at_ms"));
    assert!(int(&told, "max_rss_kib") > 100 && int(&told, "user_us") >= 0 && int(&told, "system_us") >= 0);
    assert_eq!(launch.read("stderr.log"), "last words\n");
    assert!(!launch.path("control.sock").exists());
}

fn with_script(launch: Launch, script: &str, more: &str) -> Launch {
    let argv = Value::Array(["/bin/sh", "-c", script].map(Value::from).to_vec());
    launch.write_spec(&format!(r#"{{"version":1,"name":"test",{more}"env":{{"PATH":"/usr/bin:/bin"}},"argv":{argv}}}"#));
    launch
}

#[test]
fn a_signal_reaches_the_child_and_its_end_names_it() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    launch.start();
    let mut control = launch.control();
    control.line();
    assert_eq!(control.ask(r#"{"cmd":"signal","signal":15}"#).to_string(), r#"{"ok":true}"#);
    let end = control.line().expect("the end");
    assert_eq!((end.get("exit_code"), int(&end, "signal")), (Some(&Value::Null), 15));
}

#[test]
fn the_child_starts_with_default_signals() {
    // A launcher ignores TERM, INT and HUP; what it starts must not.
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let launch = Launch::new(&["/bin/sleep", "600"], "");
        let answer = launch.start();
        let mut control = launch.control();
        control.line();
        kill(int(&answer, "pid") as i32, signal);
        assert_eq!(int(&control.line().expect("the end"), "signal"), i64::from(signal));
    }
}

#[test]
fn the_launcher_ignores_signals_that_end_a_session() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let launcher = int(&launch.start(), "launcher_pid") as i32;
    let mut control = launch.control();
    control.line();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGPIPE] {
        kill(launcher, signal);
        let status = control.ask(r#"{"cmd":"status"}"#);
        assert_eq!(text(status.get("record").expect("a record"), "state"), "running");
    }
}

#[test]
fn a_killed_launcher_leaves_the_child_and_the_next_launch_finds_the_orphan() {
    let launch = Launch::empty();
    // It also writes to a log that nobody reads any more.
    let script = gated(launch.dir.to_str().expect("UTF-8"), "echo to nobody; echo $? >after; exec sleep 600");
    let launch = with_script(launch, &script, r#""cwd":"/tmp","#);
    let spec = launch.read("spec.json").replace(">after", &format!(">{}", launch.path("after").display()));
    launch.write_spec(&spec);
    let answer = launch.start();
    let mut control = launch.control();
    control.line();
    kill(int(&answer, "launcher_pid") as i32, libc::SIGKILL);
    assert_eq!(control.line(), None, "the end of the socket tells of the death");
    fs::write(launch.path("gate"), "").expect("open the gate");
    assert_eq!(text(&launch.record(), "state"), "running");

    let found = launch.start();
    assert_eq!(int(&found, "pid"), int(&answer, "pid"));
    assert_eq!((found.get("already"), found.get("orphan")), (Some(&true.into()), Some(&true.into())));
    let (pid, started) = (int(&answer, "pid") as i32, int(&answer, "start_time"));
    let boot = text(&answer, "boot_id");
    assert!(viv_launcher::identity::is_running(pid, started, &boot));
    wait_for_file(&launch.path("after"));
    assert!(viv_launcher::identity::is_running(pid, started, &boot), "writing to the lost log ended the child");
}

fn wait_for_file(path: &std::path::Path) {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while fs::metadata(path).map_or(true, |file| file.len() == 0) {
        assert!(std::time::Instant::now() < deadline, "{} did not come", path.display());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_stopped_child_survives_the_death_of_its_launcher() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let answer = launch.start();
    let pid = int(&answer, "pid") as i32;
    let mut control = launch.control();
    control.line();
    kill(pid, libc::SIGSTOP);
    kill(int(&answer, "launcher_pid") as i32, libc::SIGKILL);
    assert_eq!(control.line(), None);
    assert!(viv_launcher::identity::is_running(pid, int(&answer, "start_time"), &text(&answer, "boot_id")));
}

#[test]
fn a_scribe_that_hangs_keeps_neither_the_child_nor_its_end() {
    // A stopped scribe is what a dead disk looks like: packets pile up and nothing is written.
    let launch = Launch::empty();
    let script = gated(launch.dir.to_str().expect("UTF-8"), "head -c 3000000 /dev/zero; exit 4");
    let launch = with_script(launch, &script, "");
    let launcher = int(&launch.start(), "launcher_pid") as i32;
    let scribe = scribe_of(launcher);
    kill(scribe, libc::SIGSTOP);
    let mut control = launch.control();
    control.line();
    fs::write(launch.path("gate"), "").expect("open the gate");
    assert_eq!(int(&control.line().expect("the end"), "exit_code"), 4);
    kill(scribe, libc::SIGKILL);
}

#[test]
fn a_dead_scribe_does_not_lose_the_end() {
    let launch = Launch::empty();
    let script = gated(launch.dir.to_str().expect("UTF-8"), "echo x; exit 4");
    let launch = with_script(launch, &script, "");
    let launcher = int(&launch.start(), "launcher_pid") as i32;
    let mut control = launch.control();
    control.line();
    kill(scribe_of(launcher), libc::SIGKILL);
    fs::write(launch.path("gate"), "").expect("open the gate");
    assert_eq!(int(&control.line().expect("the end"), "exit_code"), 4);
    assert_eq!(int(&launch.record(), "exit_code"), 4);
}

fn scribe_of(launcher: i32) -> i32 {
    let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).expect("children");
    let is_scribe = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "viv-scribe");
    children.split_whitespace().find(is_scribe).expect("a scribe").parse().expect("a pid")
}

#[test]
fn what_stays_is_small() {
    let launch = Launch::new(&["/bin/sleep", "600"], r#""console":true,"#);
    let launcher = int(&launch.start(), "launcher_pid") as i32;
    let pss_kib = |pid: i32| -> u64 {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("Pss");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let (keeper, scribe) = (pss_kib(launcher), pss_kib(scribe_of(launcher)));
    // Without optimisation the code itself is larger. Where more than one runs, most of this is shared.
    let bound = if cfg!(debug_assertions) { 2048 } else { 1024 };
    assert!(keeper < bound && scribe < bound / 2, "the launcher takes {keeper} KiB, its scribe {scribe} KiB");
}
