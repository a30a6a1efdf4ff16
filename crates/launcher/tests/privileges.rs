//! What the child may and may not. Each test says what happens with and without root, so that none is skipped.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use support::{int, privileged, Launch};

const STATUS: &str = "cat /proc/self/status";

#[test]
fn all_capabilities_are_dropped_when_none_is_kept() {
    let launch = Launch::shell(STATUS, r#""keep_capabilities":[],"#);
    launch.run_to_end();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(launch.status_field(set), "0".repeat(16), "{set}");
    }
    let bounding = launch.status_field("CapBnd");
    // Without CAP_SETPCAP it stays what it was.
    assert!(bounding == "0".repeat(16) || !privileged(), "{bounding}");
    assert_eq!(launch.status_field("NoNewPrivs"), "1");
}

#[test]
fn a_kept_capability_is_kept_by_root_and_by_another_user() {
    for user in [r#""uid":0,"gid":0,"#, r#""uid":65534,"gid":65534,"#] {
        let launch = Launch::shell(STATUS, &format!(r#"{user}"keep_capabilities":["CAP_NET_ADMIN","CAP_CHECKPOINT_RESTORE"],"#));
        if !privileged() {
            assert_eq!(launch.refused().0, "credentials");
            continue;
        }
        launch.run_to_end();
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(launch.status_field(set), "0000010000001000", "{user} {set}");
        }
    }
}

#[test]
fn capabilities_are_all_kept_when_nothing_is_said() {
    let launch = Launch::shell(STATUS, r#""no_new_privs":false,"#);
    launch.run_to_end();
    let own = fs::read_to_string("/proc/self/status").expect("status");
    let own_effective = own.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("CapEff");
    assert_eq!(launch.status_field("CapEff"), own_effective.trim());
    assert_eq!(launch.status_field("NoNewPrivs"), "0");
}

#[test]
fn user_group_and_groups_are_set() {
    let launch = Launch::shell(STATUS, r#""uid":1234,"gid":2345,"groups":[7,8],"#);
    if !privileged() {
        assert_eq!(launch.refused().0, "credentials");
        return;
    }
    launch.run_to_end();
    assert_eq!(launch.status_field("Uid"), "1234\t1234\t1234\t1234");
    assert_eq!(launch.status_field("Gid"), "2345\t2345\t2345\t2345");
    assert_eq!(launch.status_field("Groups"), "7 8");
    assert_eq!(launch.status_field("CapEff"), "0".repeat(16));
}

#[test]
fn environment_directory_and_mask_are_those_of_the_spec() {
    let launch = Launch::shell("env | sort; pwd; umask", r#""cwd":"/usr","umask":23,"#);
    launch.run_to_end();
    assert_eq!(launch.read("stderr.log"), "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/usr\n/usr\n0027\n");
}

#[test]
fn limits_are_set_and_one_that_can_not_be_raised_is_left() {
    // Above fs.nr_open no one may raise it, root neither.
    let limits = r#""rlimits":{"core":0,"nofile":9000000000000,"fsize":"unlimited"},"#;
    let launch = Launch::shell("ulimit -c; ulimit -n; ulimit -Hn", limits);
    launch.run_to_end();
    let mut own = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `own` lives for the call.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut own) };
    assert_eq!(launch.read("stderr.log"), format!("0\n{max}\n{max}\n", max = own.rlim_max));
}

#[test]
fn the_oom_score_is_set_and_a_refused_one_is_ignored() {
    let launch = Launch::shell("cat /proc/self/oom_score_adj", r#""oom_score_adj":300,"#);
    launch.run_to_end();
    assert_eq!(launch.read("stderr.log"), "300\n");
    let launch = Launch::shell("cat /proc/self/oom_score_adj", r#""oom_score_adj":-900,"#);
    launch.run_to_end();
    // Some hosts refuse root too: what this one allows is tried with a plain shell.
    let plain = "echo -900 2>/dev/null >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj";
    let expected = std::process::Command::new("/bin/sh").args(["-c", plain]).output().expect("a shell").stdout;
    assert_eq!(launch.read("stderr.log").into_bytes(), expected);
}

#[test]
fn a_new_network_namespace_is_made_and_another_one_entered_by_path() {
    let first = Launch::shell(
        "readlink /proc/self/ns/net; exec sleep 600",
        r#""namespaces":[{"type":"net"},{"type":"uts"},{"type":"ipc"}],"#,
    );
    if !privileged() {
        assert_eq!(first.refused().0, "namespace");
        return;
    }
    let pid = int(&first.start(), "pid");
    let theirs = |pid: i64, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace");
    for kind in ["net", "uts", "ipc"] {
        assert_ne!(theirs(pid, kind), fs::read_link(format!("/proc/self/ns/{kind}")).expect("ours"), "{kind}");
    }
    let second = Launch::new(&["/bin/sleep", "600"], &format!(r#""namespaces":[{{"type":"net","path":"/proc/{pid}/ns/net"}}],"#));
    assert_eq!(theirs(int(&second.start(), "pid"), "net"), theirs(pid, "net"));
}

#[test]
fn pid_and_mount_namespaces_are_made() {
    let launch = Launch::shell("echo $$; readlink /proc/self/ns/mnt", r#""namespaces":[{"type":"pid"},{"type":"mount"}],"#);
    if !privileged() {
        assert_eq!(launch.refused().0, "namespace");
        return;
    }
    launch.run_to_end();
    let log = launch.read("stderr.log");
    assert_eq!(log.lines().next(), Some("1"));
}

#[test]
fn a_cgroup_is_joined() {
    let group = format!("/sys/fs/cgroup/pids/vv-launcher-{}", std::process::id());
    if !std::path::Path::new("/sys/fs/cgroup/pids").is_dir() || fs::create_dir(&group).is_err() {
        let unified = Launch::new(&["/bin/sleep", "600"], r#""cgroups":["/sys/fs/cgroup/vv-no-such-group/cgroup.procs"],"#);
        assert_eq!(unified.refused().0, "cgroup");
        return;
    }
    let launch = Launch::shell("cat /proc/self/cgroup", &format!(r#""cgroups":["{group}/cgroup.procs"],"#));
    launch.run_to_end();
    let log = launch.read("stderr.log");
    fs::remove_dir(&group).expect("an empty cgroup");
    assert!(log.contains(&format!("pids:/vv-launcher-{}", std::process::id())), "{log}");
}

#[test]
fn a_listening_socket_is_passed_with_its_mode() {
    let launch = Launch::empty();
    let path = launch.path("fs.sock");
    // The accepting side is the kernel's backlog: to connect is proof enough that it listens.
    launch.write_spec(&format!(
        r#"{{"version":1,"name":"test","argv":["/bin/sleep","600"],"fds":[{{"name":"fs","kind":"unix_listen","path":"{}","mode":432}}]}}"#,
        path.display()
    ));
    launch.start();
    assert_eq!(fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o660);
    UnixStream::connect(&path).expect("it listens");
}
