//! The `tap` request: an interface in the namespace of another process, and its descriptor at that process's monitor.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use support::{privileged, text};
use viv_launcher::json::{self, Value};

const GET_INTERFACE: libc::c_ulong = 0x8004_54d2;

/// A VMM's monitor as far as this needs one: greets, takes a descriptor, answers all but what it refuses.
struct Vmm {
    path: String,
    heard: JoinHandle<(Vec<String>, Vec<OwnedFd>)>,
}

impl Vmm {
    fn listen(name: &str, refuses: &'static str) -> Vmm {
        let path = format!("{}/vv-tap-{name}-{}.sock", std::env::temp_dir().display(), std::process::id());
        let listener = UnixListener::bind(&path).expect("bind");
        let heard = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("accept");
            serve(&stream, refuses)
        });
        Vmm { path, heard }
    }
}

fn serve(mut stream: &UnixStream, refuses: &str) -> (Vec<String>, Vec<OwnedFd>) {
    let (mut heard, mut fds) = (Vec::new(), Vec::new());
    stream.write_all(b"{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n").expect("greet");
    while let Some((line, fd)) = receive(stream) {
        let command = text(&json::parse(line.trim()).expect("JSON"), "execute");
        stream.write_all(b"{\"event\":\"X\",\"data\":{}}\r\n").expect("an event in between");
        let answer = if command == refuses {
            "{\"error\":{\"class\":\"GenericError\",\"desc\":\"Duplicate ID 'net3'\"}}\r\n"
        } else {
            "{\"return\":{}}\r\n"
        };
        stream.write_all(answer.as_bytes()).expect("answer");
        heard.push(line.trim().to_owned());
        fds.extend(fd);
    }
    (heard, fds)
}

/// One command and the descriptor that came with it. Each comes in one message.
fn receive(stream: &UnixStream) -> Option<(String, Option<OwnedFd>)> {
    let (mut bytes, mut control) = ([0u8; 4096], [0u64; 4]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: plain data; the message points to buffers that live for the call; a descriptor that comes is nobody else's.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = std::mem::size_of_val(&control);
        let count = libc::recvmsg(stream.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC);
        if count <= 0 {
            return None;
        }
        let header = libc::CMSG_FIRSTHDR(&message);
        let fd = (!header.is_null()).then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<i32>().read_unaligned()));
        Some((String::from_utf8_lossy(&bytes[..count as usize]).into_owned(), fd))
    }
}

fn ask(request: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_viv-launcher"));
    let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("spawn");
    let mut output = BufReader::new(child.stdout.take().expect("stdout"));
    let mut input = child.stdin.take().expect("stdin");
    writeln!(input, "{request}").expect("ask");
    let mut line = String::new();
    output.read_line(&mut line).expect("a hello");
    line.clear();
    output.read_line(&mut line).expect("an answer");
    drop(input);
    child.wait().expect("the end");
    json::parse(line.trim()).expect("JSON").get("answer").expect("an answer").clone()
}

/// A process in a network namespace of its own.
fn apart() -> Child {
    let script = "echo ready; exec sleep 60";
    let mut child = Command::new("unshare").args(["-n", "sh", "-c", script]).stdout(Stdio::piped()).spawn().expect("unshare");
    let mut ready = [0; 6];
    child.stdout.as_mut().expect("stdout").read_exact(&mut ready).expect("ready");
    child
}

fn request(vmm: &str, pid: u32, name: &str, queues: u32) -> String {
    format!(
        r#"{{"id":1,"cmd":"tap","netns":"/proc/{pid}/ns/net","name":"{name}","queues":{queues},"monitor":"{vmm}","netdev":{{"type":"tap","id":"net3"}}}}"#
    )
}

fn interface_of(fd: &OwnedFd) -> String {
    let mut request = [0u8; 40];
    // SAFETY: the kernel writes one ifreq, which is as large as this.
    assert_eq!(unsafe { libc::ioctl(fd.as_raw_fd(), GET_INTERFACE, request.as_mut_ptr()) }, 0);
    String::from_utf8_lossy(&request[..16]).trim_end_matches('\0').to_owned()
}

#[test]
fn an_interface_is_made_over_there_and_its_descriptors_are_named_where_they_are_used() {
    if !privileged() {
        return;
    }
    let mut other = apart();
    let vmm = Vmm::listen("queues", "");
    let answer = ask(&request(&vmm.path, other.id(), "tap3", 2));
    assert_eq!(answer.to_string(), r#"{"ok":true}"#);
    let (heard, fds) = vmm.heard.join().expect("the monitor");
    assert_eq!(
        heard,
        [
            r#"{"execute":"qmp_capabilities","arguments":{}}"#,
            r#"{"execute":"getfd","arguments":{"fdname":"tap3-0"}}"#,
            r#"{"execute":"getfd","arguments":{"fdname":"tap3-1"}}"#,
            r#"{"execute":"netdev_add","arguments":{"type":"tap","id":"net3","fds":"tap3-0:tap3-1"}}"#,
        ]
    );
    assert_eq!(fds.iter().map(interface_of).collect::<Vec<_>>(), ["tap3", "tap3"]);
    let links = |pid: String| {
        let output = Command::new("nsenter").args(["-n", "-t", &pid, "ip", "-br", "link"]).output().expect("nsenter");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(links(other.id().to_string()).contains("tap3"));
    assert!(!links(std::process::id().to_string()).contains("tap3"));
    drop(fds);
    assert!(!links(other.id().to_string()).contains("tap3"), "it goes with its last descriptor");
    other.kill().expect("kill");
    other.wait().expect("wait");
    std::fs::remove_file(vmm.path).expect("remove");
}

#[test]
fn what_the_vmm_refuses_is_told_in_its_words() {
    if !privileged() {
        return;
    }
    let mut other = apart();
    let vmm = Vmm::listen("refused", "netdev_add");
    let answer = ask(&request(&vmm.path, other.id(), "tap3", 1)).to_string();
    assert_eq!(answer, r#"{"error":{"code":"monitor","errno":"","path":"","message":"Duplicate ID 'net3'"}}"#);
    other.kill().expect("kill");
    other.wait().expect("wait");
    std::fs::remove_file(vmm.path).expect("remove");
}

#[test]
fn what_can_not_be_is_refused_before_anything_is_made() {
    let missing = ask(&request("/nowhere/fds.sock", std::process::id(), "tap3", 1)).to_string();
    assert!(missing.contains(r#""code":"monitor","errno":"ENOENT""#), "{missing}");
    let name = ask(&request("/nowhere/fds.sock", std::process::id(), "tap%d", 1)).to_string();
    assert!(name.contains("bad_request"), "{name}");
    let queues = ask(&request("/nowhere/fds.sock", std::process::id(), "tap3", 65)).to_string();
    assert!(queues.contains("queues is not 1 to 64"), "{queues}");
}
