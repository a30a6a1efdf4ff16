//! The record: 4096 bytes on disk, allocated before the child starts, rewritten in place by one pwrite.

use crate::failure::Failure;
use crate::json::{self, object, Value};
use crate::PROTOCOL_VERSION;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

pub const RECORD_BYTES: usize = 4096;
pub const RECORD_FILE: &str = "record";

/// Who the launch is about. `pid` and `start_time` are absent until the child was forked.
#[derive(Clone)]
pub struct Life {
    pub name: String,
    pub launcher_pid: i32,
    pub child: Option<(i32, i64)>,
    pub boot_id: String,
    /// Milliseconds since 1970.
    pub started_at_ms: i64,
}

pub struct Exit {
    pub exited_at_ms: i64,
    /// Exactly one of `exit_code` and `signal` is set.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub core: bool,
    pub user_us: i64,
    pub system_us: i64,
    pub max_rss_kib: i64,
}

pub enum State<'a> {
    Starting,
    Running,
    Exited(&'a Exit),
    Failed(&'a Failure),
}

impl Life {
    /// The record's JSON.
    pub fn to_json(&self, state: &State<'_>) -> Value {
        let state_name = match state {
            State::Starting => "starting",
            State::Running => "running",
            State::Exited(_) => "exited",
            State::Failed(_) => "failed",
        };
        let mut entries = self.head(state_name);
        match state {
            State::Exited(exit) => entries.extend(exit.entries()),
            State::Failed(failure) => entries.push(("error", failure.to_json())),
            State::Starting | State::Running => {}
        }
        Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    fn head(&self, state: &'static str) -> Vec<(&'static str, Value)> {
        let mut entries = vec![
            ("version", Value::from(PROTOCOL_VERSION)),
            ("name", Value::from(self.name.as_str())),
            ("state", Value::from(state)),
            ("launcher_pid", Value::from(i64::from(self.launcher_pid))),
        ];
        if let Some((pid, start_time)) = self.child {
            entries.push(("pid", Value::from(i64::from(pid))));
            entries.push(("start_time", Value::from(start_time)));
        }
        entries.push(("boot_id", Value::from(self.boot_id.as_str())));
        entries.push(("started_at_ms", Value::from(self.started_at_ms)));
        entries
    }
}

impl Exit {
    fn entries(&self) -> [(&'static str, Value); 7] {
        let optional = |number: Option<i32>| number.map_or(Value::Null, |number| Value::from(i64::from(number)));
        [
            ("exited_at_ms", Value::from(self.exited_at_ms)),
            ("exit_code", optional(self.exit_code)),
            ("signal", optional(self.signal)),
            ("core", Value::from(self.core)),
            ("user_us", Value::from(self.user_us)),
            ("system_us", Value::from(self.system_us)),
            ("max_rss_kib", Value::from(self.max_rss_kib)),
        ]
    }
}

/// The whole block that goes to disk: the JSON padded with spaces.
pub fn block(value: &Value) -> io::Result<Vec<u8>> {
    let mut bytes = value.to_string().into_bytes();
    if bytes.len() > RECORD_BYTES {
        return Err(io::Error::other("the record is larger than 4096 bytes"));
    }
    bytes.resize(RECORD_BYTES, b' ');
    Ok(bytes)
}

/// Makes the record and its bytes on disk, so that no later write needs space.
pub fn allocate(value: &Value) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(RECORD_FILE)?;
    file.write_all_at(&block(value)?, 0)?;
    file.set_len(RECORD_BYTES as u64)?;
    file.sync_all()?;
    Ok(file)
}

/// Reads the record of an earlier launch; `None` when there is none or it can't be read as one.
pub fn read(path: &Path) -> Option<Value> {
    let mut bytes = vec![0; RECORD_BYTES];
    let file = File::open(path).ok()?;
    file.read_exact_at(&mut bytes, 0).ok()?;
    json::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

/// The line that answers a launch, from a record's values.
pub fn answer(launcher_pid: i64, pid: i64, start_time: i64, boot_id: &str) -> Value {
    object([
        ("version", Value::from(PROTOCOL_VERSION)),
        ("launcher_pid", Value::from(launcher_pid)),
        ("pid", Value::from(pid)),
        ("start_time", Value::from(start_time)),
        ("boot_id", Value::from(boot_id)),
    ])
}
