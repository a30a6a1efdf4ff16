//! Starting: the answer, the second launch, and every way not to start.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use support::{int, kill, line_of, text, Launch};

#[test]
fn a_launch_answers_who_lives_and_lets_go_of_the_caller() {
    let launch = Launch::new(&["/bin/sleep", "600"], r#""console":true,"#);
    let answer = launch.start();
    let (launcher, pid) = (int(&answer, "launcher_pid"), int(&answer, "pid"));
    let record = launch.record();
    assert_eq!((text(&record, "state").as_str(), int(&record, "pid")), ("running", pid));
    assert_eq!(int(&record, "start_time"), viv_launcher::identity::start_time(pid as i32).expect("the child lives"));
    assert_eq!(text(&record, "boot_id"), viv_launcher::identity::boot_id().expect("boot id"));
    let stat = fs::read_to_string(format!("/proc/{launcher}/stat")).expect("the launcher lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    assert_ne!(fields[1], std::process::id().to_string(), "the launcher is our child");
    assert_eq!(fields[3], launcher.to_string(), "the launcher leads no session");
    assert_eq!(fs::read_link(format!("/proc/{launcher}/fd/0")).expect("stdin").to_str(), Some("/dev/null"));
    for socket in ["control.sock", "console.sock"] {
        assert_eq!(fs::metadata(launch.path(socket)).expect(socket).permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn only_named_descriptors_reach_the_child() {
    let launch = Launch::shell(
        "echo tun={fd:null} console={fd:console}; readlink /proc/$$/fd/{fd:null}; ls /proc/$$/fd; true",
        r#""console":true,"fds":[{"name":"null","kind":"open","path":"/dev/zero","flags":"rw"}],"#,
    );
    launch.run_to_end();
    let log = launch.read("stderr.log");
    let numbers: Vec<&str> = log.lines().next().expect("a line").split(['=', ' ']).collect();
    let (null, console) = (numbers[1], numbers[3]);
    let mut expected: Vec<i32> = ["0", "1", "2", null, console].iter().map(|number| number.parse().expect("a number")).collect();
    expected.sort_unstable();
    let mut open: Vec<i32> = log.lines().skip(2).map(|number| number.parse().expect("a number")).collect();
    open.sort_unstable();
    assert_eq!(log.lines().nth(1), Some("/dev/zero"));
    assert_eq!(open, expected);
}

#[test]
fn a_second_launch_answers_the_living_child() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let first = launch.start();
    let second = launch.start();
    assert_eq!(int(&first, "pid"), int(&second, "pid"));
    assert_eq!(first.get("already"), None);
    assert_eq!(second.get("already"), Some(&true.into()));
}

#[test]
fn launches_at_once_start_one_child() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let running: Vec<_> = (0..4).map(|_| launch.command().stdout(std::process::Stdio::piped()).spawn().expect("spawn")).collect();
    let answers: Vec<_> = running.into_iter().map(|child| line_of(&child.wait_with_output().expect("output"))).collect();
    assert!(answers.iter().all(|answer| int(answer, "pid") == int(&answers[0], "pid")), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.get("already").is_none()).count(), 1);
}

#[test]
fn a_directory_can_be_used_again_after_the_end() {
    let launch = Launch::shell("echo one", "");
    launch.run_to_end();
    launch.run_to_end();
    assert_eq!(launch.read("stderr.log"), "one\none\n");
}

#[test]
fn a_program_that_is_missing_is_an_exec_failure_with_its_record() {
    let launch = Launch::new(&["/no/such/program"], r#""console":true,"#);
    let (code, message) = launch.refused();
    assert_eq!(code, "exec");
    assert!(message.contains("/no/such/program") && message.contains("No such file"), "{message}");
    let record = launch.record();
    assert_eq!(text(&record, "state"), "failed");
    assert_eq!(text(record.get("error").expect("error"), "code"), "exec");
    assert!(!launch.path("control.sock").exists() && !launch.path("console.sock").exists());
}

#[test]
fn what_is_not_a_spec_is_refused() {
    let launch = Launch::empty();
    assert_eq!(launch.refused().0, "bad_spec");
    for spec in ["", "[]", "{\"version\":1}", "{\"version\":1,\"name\":\"x\",\"argv\":[\"/bin/true\"],\"uid\":-1}", "\u{0}"] {
        launch.write_spec(spec);
        assert_eq!(launch.refused().0, "bad_spec", "{spec}");
    }
    assert!(!launch.path("record").exists());
}

#[test]
fn a_missing_directory_is_refused() {
    let launch = Launch::empty();
    fs::remove_dir(&launch.dir).expect("remove");
    assert_eq!(launch.refused().0, "bad_spec");
}

#[test]
fn each_thing_that_can_not_be_done_has_its_code() {
    let cases = [
        (r#""cgroups":["/no/such/cgroup.procs"],"#, "cgroup"),
        (r#""namespaces":[{"type":"net","path":"/no/such/netns"}],"#, "namespace"),
        (r#""namespaces":[{"type":"net","path":"/dev/null"}],"#, "namespace"),
        (r#""fds":[{"name":"a","kind":"open","path":"/no/such/file"}],"#, "fd"),
        (r#""fds":[{"name":"a","kind":"unix_listen","path":"/no/such/dir/s"}],"#, "fd"),
        (r#""cwd":"/no/such/dir","#, "sandbox"),
    ];
    for (keys, expected) in cases {
        let (code, message) = Launch::new(&["/bin/sleep", "600"], keys).refused();
        assert_eq!(code, expected, "{keys}: {message}");
    }
}

#[test]
fn a_control_socket_that_can_not_be_made_is_a_socket_failure() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    fs::write(launch.path("control.sock"), "not a socket").expect("write");
    assert_eq!(launch.refused().0, "socket");
}

#[test]
fn a_lock_held_by_a_launcher_without_record_is_a_lock_failure() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let lock = fs::File::create(launch.path("lock")).expect("lock");
    // SAFETY: flock on a live descriptor.
    assert_eq!(unsafe { libc::flock(std::os::fd::AsRawFd::as_raw_fd(&lock), libc::LOCK_EX) }, 0);
    assert_eq!(launch.refused().0, "lock");
}

#[test]
fn a_stale_record_does_not_stand_for_a_child() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let boot = viv_launcher::identity::boot_id().expect("boot id");
    let stale =
        format!(r#"{{"version":1,"state":"running","launcher_pid":1,"pid":1,"start_time":999999999,"boot_id":"{boot}"}}"#);
    fs::write(launch.path("record"), format!("{stale:4096}")).expect("write");
    assert_eq!(launch.start().get("already"), None);
}

#[test]
fn an_ignored_sigchld_does_not_lose_the_exit_status() {
    let launch = Launch::shell("exit 3", "");
    let mut command = launch.command();
    // SAFETY: signal(2) is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    assert!(command.output().expect("run").status.success());
    if let Ok(stream) = std::os::unix::net::UnixStream::connect(launch.path("control.sock")) {
        support::Control::new(stream).drain();
    }
    assert_eq!(int(&launch.record(), "exit_code"), 3);
}

#[test]
fn a_front_that_is_killed_leaves_a_child_that_the_next_launch_finds() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let mut front = launch.command().stdout(std::process::Stdio::null()).spawn().expect("spawn");
    kill(front.id() as i32, libc::SIGKILL);
    front.wait().expect("wait");
    let (first, second) = (launch.start(), launch.start());
    assert_eq!(int(&first, "pid"), int(&second, "pid"));
}
