//! One launch in a directory of its own, cleaned up whatever the test comes to.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its part of this")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use viv_launcher::json::{self, Value};

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Launch {
    pub dir: PathBuf,
}

impl Launch {
    /// A directory whose spec runs `argv`; `more` is further keys, each followed by a comma.
    pub fn new(argv: &[&str], more: &str) -> Launch {
        let launch = Launch::empty();
        let list = Value::Array(argv.iter().map(|argument| Value::from(*argument)).collect());
        launch.write_spec(&format!(
            r#"{{"version":1,"name":"test",{more}"env":{{"PATH":"/usr/sbin:/usr/bin:/sbin:/bin"}},"argv":{list}}}"#
        ));
        launch
    }

    pub fn shell(script: &str, more: &str) -> Launch {
        Launch::new(&["/bin/sh", "-c", script], more)
    }

    pub fn empty() -> Launch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = PathBuf::from(format!("/tmp/vv-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&dir).expect("a fresh directory");
        Launch { dir }
    }

    pub fn write_spec(&self, text: &str) {
        fs::write(self.path("spec.json"), text).expect("write the spec");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn run(&self) -> Output {
        self.command().output().expect("run the launcher")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viv-launcher"));
        command.arg(&self.dir);
        command
    }

    /// Launches and expects success: the answer line.
    pub fn start(&self) -> Value {
        let output = self.run();
        let line = line_of(&output);
        assert!(output.status.success(), "not started: {line}");
        line
    }

    /// Launches and expects a failure: (code, message).
    pub fn refused(&self) -> (String, String) {
        let output = self.run();
        let line = line_of(&output);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let error = line.get("error").expect("an error");
        (text(error, "code"), text(error, "message"))
    }

    pub fn control(&self) -> Control {
        Control::connect(&self.path("control.sock"))
    }

    /// Starts and waits for the end: the `exited` record as a client hears it.
    ///
    /// A child that ended before the client came has its record on disk.
    pub fn run_to_end(&self) -> Value {
        let gate = self.path("gate");
        self.start();
        if let Ok(stream) = UnixStream::connect(self.path("control.sock")) {
            let mut control = Control::new(stream);
            // The script waits for the gate, when it has one, so that the client is there first.
            fs::write(gate, "").expect("open the gate");
            control.drain();
        }
        let record = self.record();
        assert_eq!(text(&record, "state"), "exited", "{record}");
        record
    }

    pub fn record(&self) -> Value {
        let bytes = fs::read(self.path("record")).expect("a record");
        assert_eq!(bytes.len(), 4096);
        json::parse(std::str::from_utf8(&bytes).expect("UTF-8")).expect("JSON")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The value of a `Key:\tvalue` line in the log, as in /proc/PID/status.
    pub fn status_field(&self, key: &str) -> String {
        let log = self.read("stderr.log");
        let line = log.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {key} in {log}")).trim().to_owned()
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        if let Ok(bytes) = fs::read(self.path("record")) {
            let record = std::str::from_utf8(&bytes).ok().and_then(|text| json::parse(text).ok()).unwrap_or(Value::Null);
            let running = matches!(record.get("state").and_then(Value::as_str), Some("running" | "starting"));
            if let (true, Some(pid), Some(started)) =
                (running, record.get("pid").and_then(Value::as_int), record.get("start_time").and_then(Value::as_int))
            {
                kill_if_same(pid as i32, started);
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn kill_if_same(pid: i32, started: i64) {
    if viv_launcher::identity::start_time(pid).ok() == Some(started) {
        kill(pid, libc::SIGKILL);
    }
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: signals a process that the test started.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill {pid}");
}

pub fn line_of(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "one line on stdout: {stdout:?} {:?}", String::from_utf8_lossy(&output.stderr));
    json::parse(stdout.trim()).expect("JSON")
}

pub fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

pub fn int(value: &Value, key: &str) -> i64 {
    value.get(key).and_then(Value::as_int).unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// Whether this run may do what only root may. Tests assert what happens without that right too, so none is skipped.
pub fn privileged() -> bool {
    // SAFETY: can't fail.
    unsafe { libc::geteuid() == 0 && libc::prctl(libc::PR_CAPBSET_READ, 21) == 1 }
}

/// A client of control.sock.
pub struct Control {
    pub reader: BufReader<UnixStream>,
}

impl Control {
    pub fn connect(path: &Path) -> Control {
        Control::new(UnixStream::connect(path).expect("connect to control.sock"))
    }

    pub fn new(stream: UnixStream) -> Control {
        stream.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
        Control { reader: BufReader::new(stream) }
    }

    /// The next line; `None` at the end.
    pub fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line).expect("a line or the end") {
            0 => None,
            _ => Some(json::parse(line.trim()).expect("JSON")),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("send");
    }

    pub fn ask(&mut self, request: &str) -> Value {
        self.send(format!("{request}\n").as_bytes());
        self.line().expect("an answer")
    }

    /// All lines to the end; the last one.
    pub fn drain(&mut self) -> Option<Value> {
        let mut last = None;
        while let Some(line) = self.line() {
            last = Some(line);
        }
        last
    }
}

/// Shell that goes on once the test's client is connected.
pub fn gated(dir_of_gate: &str, script: &str) -> String {
    format!("while [ ! -e {dir_of_gate}/gate ]; do sleep 0.02; done; {script}")
}
