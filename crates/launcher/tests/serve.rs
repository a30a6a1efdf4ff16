//! `viv-launcher serve`: requests, their answers, and its own end.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, OpenOptionsExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use support::{int, kill, privileged, text, Launch};
use viv_launcher::json::{self, Value};

struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viv-launcher"));
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("spawn");
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("stdout")));
        let mut server = Server { child, input, output };
        assert_eq!(server.line().expect("a hello").to_string(), r#"{"hello":"viv-launcher","version":1}"#);
        server
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("stdin");
        input.write_all(format!("{line}\n").as_bytes()).expect("send");
    }

    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.output.read_line(&mut line).expect("a line or the end") {
            0 => None,
            _ => Some(json::parse(line.trim()).expect("JSON")),
        }
    }

    fn ask(&mut self, request: &str) -> Value {
        self.send(request);
        self.line().expect("an answer").get("answer").expect("an answer").clone()
    }

    /// The `error` of an answer: (code, errno).
    fn refused(&mut self, request: &str) -> (String, String) {
        let answer = self.ask(request);
        let error = answer.get("error").unwrap_or_else(|| panic!("not refused: {answer}"));
        (text(error, "code"), text(error, "errno"))
    }

    /// What is its own; its program's pages are shared with every launcher.
    fn own_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch_request(id: i32, launch: &Launch) -> String {
    format!(r#"{{"id":{id},"cmd":"launch","dir":"{}"}}"#, launch.dir.display())
}

const OK: &str = r#"{"ok":true}"#;

#[test]
fn a_launch_answers_as_the_program_does_and_outlives_the_server() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let mut server = Server::start();
    let answer = server.ask(&launch_request(1, &launch));
    let launcher = int(&answer, "launcher_pid");
    let again = launch.start();
    assert_eq!((int(&again, "pid"), again.get("already")), (int(&answer, "pid"), Some(&true.into())));
    // The end of stdin ends the server, and its stdout with it: nothing launched holds that open.
    drop(server.input.take());
    let mut rest = String::new();
    server.output.read_to_string(&mut rest).expect("the end");
    assert_eq!(rest, "");
    assert!(server.child.wait().expect("wait").success());
    let mut control = launch.control();
    assert_eq!(text(&control.line().expect("the record"), "state"), "running");
    let stat = fs::read_to_string(format!("/proc/{launcher}/stat")).expect("the launcher lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    assert_eq!(fields[3], launcher.to_string(), "the launcher leads no session");
    assert_eq!(fs::read_to_string(format!("/proc/{launcher}/comm")).expect("comm").trim(), "viv-launcher");
    let open: Vec<_> = fs::read_dir(format!("/proc/{launcher}/fd"))
        .expect("fds")
        .filter_map(|fd| fs::read_link(fd.expect("fd").path()).ok())
        .collect();
    assert_eq!(
        open.iter().filter(|target| target.to_string_lossy().starts_with("pipe:")).count(),
        1,
        "the child's log and nothing else: {open:?}"
    );
}

#[test]
fn a_spec_in_the_request_is_written_first() {
    let base = Launch::empty();
    let dir = base.path("a/b");
    let mut server = Server::start();
    let request =
        format!(r#"{{"id":1,"cmd":"launch","dir":"{}","spec":{{"version":1,"name":"x","argv":["/bin/true"]}}}}"#, dir.display());
    assert!(int(&server.ask(&request), "pid") > 0);
    assert_eq!(fs::read_to_string(dir.join("spec.json")).expect("spec"), r#"{"version":1,"name":"x","argv":["/bin/true"]}"#);
}

#[test]
fn a_launch_that_fails_says_why() {
    let launch = Launch::new(&["/no/such/program"], "");
    let mut server = Server::start();
    let answer = server.ask(&launch_request(1, &launch));
    assert_eq!(text(answer.get("error").expect("an error"), "code"), "exec");
    assert_eq!(
        server.ask(r#"{"id":2,"cmd":"launch","dir":"x"}"#).get("error").map(|error| text(error, "code")).as_deref(),
        Some("bad_request")
    );
}

/// A launch that waits until this is dropped: its spec is a pipe that nobody writes to.
struct Hung(Launch);

impl Drop for Hung {
    fn drop(&mut self) {
        // Whoever waits reads an empty spec; that nobody does any more is fine.
        let _ = fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(self.0.path("spec.json"));
    }
}

fn hanging() -> Hung {
    let launch = Launch::empty();
    let path = std::ffi::CString::new(launch.path("spec.json").to_str().expect("UTF-8")).expect("no NUL");
    // SAFETY: a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    Hung(launch)
}

#[test]
fn a_hung_request_holds_back_no_other_and_can_be_cancelled() {
    let hung = hanging();
    let mut server = Server::start();
    server.send(&launch_request(1, &hung.0));
    for id in 2..100 {
        server.send(&format!(r#"{{"id":{id},"cmd":"remove_trees","paths":[]}}"#));
    }
    let mut answered: Vec<i64> = (2..100).map(|_| int(&server.line().expect("an answer"), "id")).collect();
    answered.sort_unstable();
    assert_eq!(answered, (2..100).collect::<Vec<i64>>());
    server.send(r#"{"cancel":1}"#);
    let line = server.line().expect("an answer");
    assert_eq!(int(&line, "id"), 1);
    assert_eq!(text(line.get("answer").and_then(|answer| answer.get("error")).expect("an error"), "code"), "worker");
    assert!(server.own_kib() <= 512, "{} KiB", server.own_kib());
}

#[test]
fn more_requests_than_it_takes_are_refused() {
    let hung: Vec<Hung> = (0..viv_launcher::serve::MAX_WORKERS).map(|_| hanging()).collect();
    let mut server = Server::start();
    for (id, launch) in hung.iter().enumerate() {
        server.send(&launch_request(id as i32, &launch.0));
    }
    assert_eq!(server.refused(r#"{"id":1000,"cmd":"remove_trees","paths":[]}"#).0, "busy");
    server.send(r#"{"cancel":7}"#);
    assert_eq!(int(&server.line().expect("an answer"), "id"), 7);
    assert_eq!(server.ask(r#"{"id":1000,"cmd":"remove_trees","paths":[]}"#).to_string(), OK);
}

#[test]
fn the_end_of_stdin_ends_it_while_a_request_hangs() {
    let hung = hanging();
    let mut server = Server::start();
    server.send(&launch_request(1, &hung.0));
    assert_eq!(server.ask(r#"{"id":2,"cmd":"remove_trees","paths":[]}"#).to_string(), OK);
    drop(server.input.take());
    assert!(server.child.wait().expect("wait").success());
}

#[test]
fn killed_it_leaves_what_it_launched() {
    let launch = Launch::new(&["/bin/sleep", "600"], "");
    let mut server = Server::start();
    server.ask(&launch_request(1, &launch));
    kill(server.child.id() as i32, libc::SIGKILL);
    assert_eq!(server.line(), None);
    assert_eq!(text(&launch.control().line().expect("the record"), "state"), "running");
}

#[test]
fn what_is_no_request_is_refused_and_the_next_is_heard() {
    let mut server = Server::start();
    for line in ["", "{", "[]", "{\"cmd\":\"mount\"}", "{\"id\":\"1\"}", "\u{1}", "{\"cancel\":\"x\"}"] {
        server.send(line);
        let refused = server.line().expect("an answer");
        assert_eq!(refused.get("id"), Some(&Value::Null), "{line}");
    }
    for line in [
        r#"{"id":1}"#,
        r#"{"id":1,"cmd":"dance"}"#,
        r#"{"id":1,"cmd":"mount"}"#,
        r#"{"id":1,"cmd":"mount","mounts":[{"target":"x"}]}"#,
        r#"{"id":1,"cmd":"mount","mounts":[{"target":"/x","flags":["lazy"]}]}"#,
        r#"{"id":1,"cmd":"unmount","targets":["/a\u0000"]}"#,
        r#"{"id":1,"cmd":"remove_trees","paths":["/"]}"#,
        r#"{"id":1,"cmd":"remove_trees","paths":["/tmp/.."]}"#,
    ] {
        assert_eq!(server.refused(line).0, "bad_request", "{line}");
    }
    server.send(&"x".repeat(viv_launcher::serve::MAX_LINE_BYTES + 1));
    let long = server.line().expect("an answer").to_string();
    assert!(long.contains("longer than"), "{long}");
    assert_eq!(server.ask(r#"{"id":3,"cmd":"remove_trees","paths":[]}"#).to_string(), OK);
    assert!(server.own_kib() <= 512, "{} KiB", server.own_kib());
}

#[test]
fn mounts_are_made_in_order_and_unmounted() {
    let base = Launch::empty();
    for name in ["a", "a/in", "b"] {
        fs::create_dir(base.path(name)).expect("mkdir");
    }
    let (a, b) = (base.path("a").display().to_string(), base.path("b").display().to_string());
    let mut server = Server::start();
    let mount = format!(
        r#"{{"id":1,"cmd":"mount","mounts":[{{"source":"{a}","target":"{a}","flags":["bind"]}},{{"target":"{a}","flags":["private"]}},{{"source":"{a}","target":"{b}","flags":["bind","rec"]}},{{"target":"{b}","flags":["remount","bind","ro"]}}]}}"#
    );
    if !privileged() {
        assert_eq!(server.refused(&mount), ("mount".to_owned(), "EPERM".to_owned()));
        return;
    }
    assert_eq!(server.ask(&mount).to_string(), OK);
    assert!(fs::write(base.path("b/in/x"), "").is_err());
    // What is open keeps it busy; a removal does not go through it.
    let open = fs::File::create(base.path("a/held")).expect("create");
    let unmount = format!(r#"{{"id":2,"cmd":"unmount","targets":["{b}","{a}","{a}","/no/such/mount"]}}"#);
    assert_eq!(server.refused(&unmount), ("unmount".to_owned(), "EBUSY".to_owned()));
    assert_eq!(
        server.refused(&format!(r#"{{"id":3,"cmd":"remove_trees","paths":["{a}"]}}"#)),
        ("remove".to_owned(), "EXDEV".to_owned())
    );
    let whole = base.dir.display().to_string();
    assert_eq!(server.refused(&format!(r#"{{"id":3,"cmd":"remove_trees","paths":["{whole}"]}}"#)).1, "EXDEV");
    assert!(base.path("a/held").exists() && !base.path("b").exists());
    drop(open);
    assert_eq!(server.ask(&unmount).to_string(), OK);
    assert_eq!(server.ask(&unmount).to_string(), OK);
    assert_eq!(
        server.refused(r#"{"id":4,"cmd":"mount","mounts":[{"source":"none","target":"/","fstype":"nosuchfs"}]}"#).1,
        "ENODEV"
    );
}

#[test]
fn trees_are_removed_whatever_is_in_them() {
    let base = Launch::empty();
    fs::write(base.path("outside"), "stays").expect("write");
    fs::create_dir_all(base.path("tree/inner/empty")).expect("mkdir");
    symlink("../../outside", base.path("tree/inner/file-link")).expect("symlink");
    symlink("/", base.path("tree/root-link")).expect("symlink");
    for number in 0..3000 {
        fs::write(base.path(&format!("tree/inner/file-{number}")), "").expect("write");
    }
    symlink(base.path("tree"), base.path("link-to-tree")).expect("symlink");
    // Deeper than descriptors or a path's length go; a name that the removal itself would use is there already.
    fs::create_dir(base.path("tree/.removed-1")).expect("mkdir");
    let made = Command::new("/bin/sh").args(["-c", "name=$(printf '%0200d' 0); i=0; while [ $i -lt 300 ]; do mkdir $name && cd -P $name || exit 1; touch file; i=$((i+1)); done"]).current_dir(base.path("tree")).status();
    assert!(made.expect("sh").success());
    let mut server = Server::start();
    let paths =
        ["link-to-tree", "tree", "missing", "missing/below"].map(|name| format!("\"{}\"", base.path(name).display())).join(",");
    assert_eq!(server.ask(&format!(r#"{{"id":1,"cmd":"remove_trees","paths":[{paths}]}}"#)).to_string(), OK);
    assert_eq!(
        fs::read_dir(&base.dir).expect("list").map(|entry| entry.expect("entry").file_name()).collect::<Vec<_>>(),
        ["outside"]
    );
}

#[test]
fn the_service_manager_hears_the_daemon_and_not_the_helper() {
    let launch = Launch::new(&["/bin/true"], "");
    let path = launch.dir.join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("bind");
    let enable: i32 = 1;
    // SAFETY: the option is an int, which lives for the call.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, (&raw const enable).cast(), 4) };
    assert_eq!(set, 0);
    let mut server = Server::start();
    // Another's pid takes CAP_SYS_ADMIN; one's own would take nothing, and be the worker's.
    let pid = std::process::id();
    let request = |path: &str| format!(r#"{{"id":1,"cmd":"notify","socket":"{path}","pid":{pid},"state":"READY=1\nSTATUS=x"}}"#);
    if !privileged() {
        assert_eq!(server.refused(&request(&path.display().to_string())), ("notify".into(), "EPERM".into()));
        return;
    }
    assert_eq!(server.ask(&request(&path.display().to_string())).to_string(), OK);
    let (text, sender) = receive(&socket);
    assert_eq!((text.as_str(), sender), ("READY=1\nSTATUS=x", pid as i32));
    assert_eq!(server.refused(&request(&format!("{}-none", path.display()))), ("notify".into(), "ENOENT".into()));
    assert_eq!(server.refused(&request("relative")).0, "bad_request");
}

/// A datagram and its sender's pid.
fn receive(socket: &std::os::unix::net::UnixDatagram) -> (String, i32) {
    let (mut bytes, mut control) = ([0u8; 64], [0u64; 8]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: plain data, for which zero is a valid value; all that it points to outlives the call, and the kernel fills in one header.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = 64;
        let count = libc::recvmsg(socket.as_raw_fd(), &mut message, 0);
        assert!(count > 0, "no datagram");
        let header = libc::CMSG_FIRSTHDR(&message);
        assert_eq!((*header).cmsg_type, libc::SCM_CREDENTIALS);
        let sender = libc::CMSG_DATA(header).cast::<libc::ucred>().read_unaligned();
        (String::from_utf8_lossy(&bytes[..count as usize]).into_owned(), sender.pid)
    }
}

#[test]
fn binds_have_their_attributes_wherever_they_show() {
    if !privileged() {
        return;
    }
    let base = Launch::empty();
    for name in ["source/inner", "shared", "peer", "volume/data"] {
        fs::create_dir_all(base.path(name)).expect("mkdir");
    }
    fs::write(base.path("source/file"), "text").expect("write");
    fs::write(base.path("volume/data/in"), "sub").expect("write");
    symlink("source", base.path("link")).expect("symlink");
    symlink("../../source", base.path("volume/out")).expect("symlink");
    symlink("data", base.path("volume/within")).expect("symlink");
    let at = |name: &str| base.path(name).display().to_string();
    let _socket = std::os::unix::net::UnixListener::bind(base.path("socket")).expect("bind");
    let mut server = Server::start();
    // A peer, as the mounts that virtiofsd sees are of those that are made here.
    let views = format!(
        r#"{{"id":1,"cmd":"mount","mounts":[{{"source":"{0}","target":"{0}","flags":["bind"]}},{{"target":"{0}","flags":["private"]}},{{"target":"{0}","flags":["shared"]}},{{"source":"{0}","target":"{1}","flags":["bind","rec"]}},{{"source":"tmpfs","target":"{2}","fstype":"tmpfs"}}]}}"#,
        at("shared"),
        at("peer"),
        at("source/inner")
    );
    assert_eq!(server.ask(&views).to_string(), OK);
    let bind = |source: &str, target: &str, rest: &str| {
        format!(r#"{{"id":2,"cmd":"bind","binds":[{{"source":"{}","target":"{}"{rest}}}]}}"#, at(source), at(target))
    };
    assert_eq!(server.ask(&bind("source", "shared/ro", r#","attributes":["ro","nosuid"],"recursive":true"#)).to_string(), OK);
    assert_eq!(server.ask(&bind("source/file", "shared/one", "")).to_string(), OK);
    assert_eq!(server.ask(&bind("volume", "shared/sub", r#","sub_path":"within""#)).to_string(), OK);
    for view in ["shared", "peer"] {
        assert_eq!(
            fs::write(base.path(view).join("ro/new"), "").expect_err("read-only").raw_os_error(),
            Some(libc::EROFS),
            "{view}"
        );
        assert_eq!(
            fs::write(base.path(view).join("ro/inner/new"), "").expect_err("read-only below").raw_os_error(),
            Some(libc::EROFS),
            "{view}"
        );
        assert_eq!(fs::read_to_string(base.path(view).join("one")).expect("file"), "text");
        assert_eq!(fs::read_to_string(base.path(view).join("sub/in")).expect("sub path"), "sub");
    }
    fs::write(base.path("source/inner/new"), "the source is as it was").expect("writable");
    let errno = |server: &mut Server, request: &str| server.refused(request).1;
    assert_eq!(errno(&mut server, &bind("link", "shared/x", "")), "ELOOP");
    assert_eq!(errno(&mut server, &bind("missing", "shared/x", "")), "ENOENT");
    assert_eq!(errno(&mut server, &bind("socket", "shared/x", "")), "EOPNOTSUPP");
    assert_eq!(errno(&mut server, &bind("volume", "shared/x", r#","sub_path":"out""#)), "EXDEV");
    assert_eq!(errno(&mut server, &bind("volume", "shared/x", r#","sub_path":"../source""#)), "EXDEV");
    assert_eq!(server.refused(&bind("volume", "shared/x", r#","sub_path":"/etc""#)).0, "bad_request");
    assert!(!base.path("shared/x").exists());
    let targets = ["shared/ro/inner", "shared/ro", "shared/one", "shared/sub", "shared", "peer", "source/inner"]
        .map(|name| format!("\"{}\"", at(name)))
        .join(",");
    assert_eq!(server.ask(&format!(r#"{{"id":3,"cmd":"unmount","targets":[{targets}]}}"#)).to_string(), OK);
}
