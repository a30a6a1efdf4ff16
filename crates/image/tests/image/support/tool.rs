//! The program as a process: a request in, its lines out.

use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

pub struct Store {
    directory: TempDir,
}

pub struct Ended {
    pub lines: Vec<Value>,
    pub succeeded: bool,
}

impl Store {
    pub fn new() -> Store {
        Store { directory: tempfile::tempdir().expect("directory") }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Names in one directory of the store.
    pub fn names(&self, below: &str) -> Vec<String> {
        names(&self.path().join(below))
    }

    pub fn import(&self, path: &Path) -> Ended {
        self.import_with(path, json!({}))
    }

    pub fn import_with(&self, path: &Path, limits: Value) -> Ended {
        self.ask(&json!({"version": 1, "cmd": "import", "store": self.path(), "path": path, "limits": limits}))
    }

    /// Runs a request to its end.
    pub fn ask(&self, request: &Value) -> Ended {
        Running::start(request).end()
    }

    /// The tree of a layer, by chain id.
    pub fn layer(&self, chain_id: &Value) -> PathBuf {
        let hex = chain_id.as_str().and_then(|id| id.strip_prefix("sha256:")).expect("a digest");
        self.path().join("layers/sha256").join(hex).join("fs")
    }

    /// Fails unless nothing is on its way and nothing is half done.
    pub fn assert_tidy(&self) {
        assert_eq!(self.names("work"), Vec::<String>::new(), "left in work");
        assert_eq!(self.names("partial/sha256"), Vec::<String>::new(), "left in partial");
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A program at work; its input stays open until it is dropped.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(request: &Value) -> Running {
        Running::start_with(request, &[])
    }

    pub fn start_with(request: &Value, environment: &[(&str, &str)]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viv-image"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).envs(environment.iter().copied());
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let mut child = command.spawn().expect("started");
        let line = format!("{request}\n");
        child.stdin.as_mut().expect("input").write_all(line.as_bytes()).expect("asked");
        let lines = BufReader::new(child.stdout.take().expect("output")).lines();
        Running { child, lines }
    }

    /// Reads lines until one is what is waited for.
    pub fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) {
        let found = self.lines.by_ref().map(|line| parse(&line.expect("line"))).any(|line| is_it(&line));
        assert!(found, "it ended before");
    }

    pub fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
    }

    /// Ends the input, which gives the work up.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
    }

    pub fn end(mut self) -> Ended {
        let lines = self.lines.by_ref().map(|line| parse(&line.expect("line"))).collect();
        Ended { lines, succeeded: self.child.wait().expect("ended").success() }
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

impl Ended {
    pub fn result(&self) -> &Value {
        let last = self.lines.last().expect("a line");
        assert!(self.succeeded && last["result"].is_object(), "{last}");
        &last["result"]
    }

    /// The code of the error that it ended with.
    pub fn code(&self) -> &str {
        let last = self.lines.last().expect("a line");
        assert!(!self.succeeded && last["error"].is_object(), "{last}");
        last["error"]["code"].as_str().expect("a code")
    }

    pub fn message(&self) -> &str {
        self.lines.last().and_then(|last| last["error"]["message"].as_str()).expect("a message")
    }

    /// Whose progress was told.
    pub fn layers_told(&self) -> Vec<&str> {
        let mut layers: Vec<&str> = self.lines.iter().filter_map(|line| line["progress"]["layer"].as_str()).collect();
        layers.dedup();
        layers
    }

    pub fn steps(&self) -> Vec<&str> {
        let mut steps: Vec<&str> = self.lines.iter().filter_map(|line| line["progress"]["step"].as_str()).collect();
        steps.dedup();
        steps
    }
}
