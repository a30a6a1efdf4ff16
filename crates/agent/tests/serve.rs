//! The agent as an ordinary process: link and server over a real socket. No VM, no container, no privileges.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BOOT: [u8; 16] = *b"vivarium-boot-00";
const LIMIT: Duration = Duration::from_secs(20);

/// `grpc.Health/Check` on stream 3, and its answer: SERVING.
const CHECK: &[u8] = b"\x00\x00\x00\x14\x00\x00\x00\x03\x01\x00\x0a\x0bgrpc.Health\x12\x05Check";
const SERVING: &[u8] = b"\x00\x00\x00\x06\x00\x00\x00\x03\x02\x00\x0a\x00\x12\x02\x08\x01";

struct Agent {
    process: Child,
    directory: PathBuf,
}

impl Agent {
    fn start(name: &str, kind: &str) -> Agent {
        let directory = std::env::temp_dir().join(format!("vv-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let address = format!("{kind}:{}", directory.join("agent.sock").display());
        let process =
            Command::new(env!("CARGO_BIN_EXE_viv-agent")).args(["--serve", &address]).stdin(Stdio::null()).spawn().unwrap();
        Agent { process, directory }
    }

    fn connect(&self) -> UnixStream {
        let began = Instant::now();
        loop {
            match UnixStream::connect(self.directory.join("agent.sock")) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(LIMIT)).unwrap();
                    return stream;
                }
                Err(error) if began.elapsed() > LIMIT => panic!("the agent does not listen: {error}"),
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn hello(current: [u8; 16], next: [u8; 16]) -> Vec<u8> {
    [current.as_slice(), &[1, 1], &next].concat()
}

/// Agrees on `next` and answers the agent's instance.
fn greet(stream: &mut UnixStream, current: [u8; 16], next: [u8; 16]) -> [u8; 16] {
    stream.write_all(&hello(current, next)).unwrap();
    let wanted = [next.as_slice(), &[2, 1]].concat();
    let mut seen = Vec::new();
    let at = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
        if let Some(at) = seen.windows(wanted.len()).position(|window| window == wanted) {
            break at;
        }
    };
    assert_eq!(at + wanted.len(), seen.len());
    let mut instance = [0; 16];
    stream.read_exact(&mut instance).unwrap();
    stream.write_all(&[next.as_slice(), &[3]].concat()).unwrap();
    instance
}

fn check(stream: &mut UnixStream) {
    stream.write_all(CHECK).unwrap();
    let mut answer = vec![0; SERVING.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, SERVING);
}

#[test]
fn a_plain_socket_needs_no_handshake_and_takes_several_connections() {
    let agent = Agent::start("plain", "unix-plain");
    let (mut one, mut two) = (agent.connect(), agent.connect());
    check(&mut one);
    check(&mut two);
}

#[test]
fn a_linked_socket_answers_after_the_handshake() {
    let agent = Agent::start("linked", "unix");
    let mut stream = agent.connect();
    stream.write_all(b"noise before the hello").unwrap();
    greet(&mut stream, BOOT, [7; 16]);
    check(&mut stream);
}

#[test]
fn a_reconnect_in_the_middle_of_a_frame_is_answered_by_the_same_agent() {
    let agent = Agent::start("midframe", "unix");
    let mut stream = agent.connect();
    let instance = greet(&mut stream, BOOT, [7; 16]);
    let header = [0x00, 0x40, 0, 0, 0, 0, 0, 5, 1, 0];
    stream.write_all(&[&header[..], &vec![b'x'; 2_000_000]].concat()).unwrap();
    drop(stream);

    let mut stream = agent.connect();
    assert_eq!(greet(&mut stream, [7; 16], [8; 16]), instance);
    check(&mut stream);
}

#[test]
fn a_hello_within_a_live_stream_starts_over() {
    let agent = Agent::start("startover", "unix");
    let mut stream = agent.connect();
    greet(&mut stream, BOOT, [7; 16]);
    stream.write_all(&CHECK[..15]).unwrap();
    greet(&mut stream, [7; 16], [8; 16]);
    check(&mut stream);
}

#[test]
fn garbage_is_survived() {
    let agent = Agent::start("garbage", "unix-plain");
    let mut stream = agent.connect();
    stream.write_all(&[0xff; 100_000]).unwrap();
    drop(stream);
    check(&mut agent.connect());
}
