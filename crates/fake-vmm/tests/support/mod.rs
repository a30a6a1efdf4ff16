//! A running fake VMM with clients for its monitor and its agent's port.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its part of this")]

pub mod agent;

use agent::Agent;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use viv_launcher::json::{self, Value};

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Vmm {
    pub dir: PathBuf,
    pub child: Child,
}

/// Reads, in whatever pieces it comes, until there is enough.
pub fn read_until(stream: &mut impl Read, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut seen = Vec::new();
    while !enough(&seen) {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("output");
        assert_ne!(count, 0, "it ended after {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    seen
}

impl Vmm {
    /// Starts one whose kernel parameters are `append`, with the argv that a driver would give.
    pub fn start(append: &str) -> Vmm {
        Vmm::start_with(append, &[])
    }

    pub fn start_with(append: &str, more: &[&str]) -> Vmm {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = PathBuf::from(format!("/tmp/vv-fake-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&dir).expect("a fresh directory");
        let place = |name: &str| format!("socket,id={name},path={}/{name}.sock,server=on,wait=off", dir.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-vmm"));
        command.args(["-name", "guest=test", "-nodefaults", "-machine", "q35,accel=tcg", "-m", "256", "-smp", "2"]);
        command.args(["-chardev", &place("qmp"), "-mon", "chardev=qmp,mode=control", "-device", "virtio-serial-pci,id=serial0"]);
        command.args(["-chardev", &place("agent"), "-device", "virtserialport,bus=serial0.0,chardev=agent,name=org.vivarium.agent.0"]);
        command.args(["-chardev", &place("console"), "-serial", "chardev:console"]);
        command.args(["-action", "panic=pause,shutdown=pause", "-append", append]).args(more);
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("spawn");
        Vmm { dir, child }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A monitor client after its negotiation.
    pub fn qmp(&self) -> Qmp {
        let mut qmp = self.raw_qmp();
        let greeting = qmp.line();
        assert!(greeting.get("QMP").is_some(), "{greeting}");
        qmp.ok("qmp_capabilities");
        qmp
    }

    pub fn raw_qmp(&self) -> Qmp {
        Qmp { reader: BufReader::new(connect(&self.path("qmp.sock"))), events: VecDeque::new() }
    }

    /// An agent client after its first handshake.
    pub fn agent(&self) -> Agent {
        Agent::greet(self.agent_stream(), agent::BOOT, 1)
    }

    pub fn agent_stream(&self) -> UnixStream {
        connect(&self.path("agent.sock"))
    }

    pub fn console(&self) -> UnixStream {
        connect(&self.path("console.sock"))
    }

    /// Waits for the end of the process.
    pub fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("wait")
    }

    pub fn pss_kib(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).expect("smaps_rollup");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("Pss");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Connects as soon as the process listens.
fn connect(path: &Path) -> UnixStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
                return stream;
            }
            Err(error) => assert!(Instant::now() < deadline, "{}: {error}", path.display()),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub struct Qmp {
    pub reader: BufReader<UnixStream>,
    pub events: VecDeque<Value>,
}

impl Qmp {
    pub fn raw_line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line: {error}"),
        }
    }

    pub fn line(&mut self) -> Value {
        json::parse(self.raw_line().expect("a line").trim()).expect("JSON")
    }

    pub fn send(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).expect("send");
    }

    /// Executes and returns the whole answer; events before it are kept.
    pub fn execute(&mut self, command: &str, arguments: &str) -> Value {
        self.send(&format!("{{\"execute\":\"{command}\",\"arguments\":{arguments},\"id\":7}}\n"));
        loop {
            let line = self.line();
            if line.get("event").is_some() {
                self.events.push_back(line);
                continue;
            }
            assert_eq!(line.get("id"), Some(&Value::Int(7)));
            return line;
        }
    }

    pub fn ok(&mut self, command: &str) -> Value {
        self.ok_with(command, "{}")
    }

    pub fn ok_with(&mut self, command: &str, arguments: &str) -> Value {
        let answer = self.execute(command, arguments);
        answer.get("return").unwrap_or_else(|| panic!("{command}: {answer}")).clone()
    }

    pub fn error_class(&mut self, command: &str, arguments: &str) -> String {
        let answer = self.execute(command, arguments);
        let class = answer.get("error").and_then(|error| error.get("class")).and_then(Value::as_str);
        class.unwrap_or_else(|| panic!("{command}: {answer}")).to_owned()
    }

    pub fn status(&mut self) -> String {
        self.ok("query-status").get("status").and_then(Value::as_str).expect("a status").to_owned()
    }

    /// The next event's name and data.
    pub fn event(&mut self) -> (String, Value) {
        let event = self.events.pop_front().unwrap_or_else(|| self.line());
        let name = event.get("event").and_then(Value::as_str).unwrap_or_else(|| panic!("no event: {event}"));
        (name.to_owned(), event.get("data").cloned().unwrap_or(Value::Null))
    }

    pub fn fault(&mut self, list: &str) {
        self.ok_with("x-fake-fault", &format!("{{\"fault\":\"{list}\"}}"));
    }
}
