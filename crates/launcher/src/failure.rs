//! Why a launch failed: a closed code and a sentence.

use crate::json::{object, Value};
use std::fmt::Display;

/// The closed list of codes of docs/protocols/launcher.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadSpec,
    Lock,
    Record,
    Socket,
    Namespace,
    Cgroup,
    Fd,
    Credentials,
    Exec,
    Sandbox,
}

const NAMES: [(Code, &str); 10] = [
    (Code::BadSpec, "bad_spec"),
    (Code::Lock, "lock"),
    (Code::Record, "record"),
    (Code::Socket, "socket"),
    (Code::Namespace, "namespace"),
    (Code::Cgroup, "cgroup"),
    (Code::Fd, "fd"),
    (Code::Credentials, "credentials"),
    (Code::Exec, "exec"),
    (Code::Sandbox, "sandbox"),
];

impl Code {
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(code, _)| *code == self).map_or("exec", |(_, name)| name)
    }

    pub fn parse(name: &str) -> Option<Code> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(code, _)| *code)
    }
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

/// A message is cut here, so that a record with it always fits in its 4096 bytes, however much of it must be escaped.
const MESSAGE_CHARS: usize = 500;

impl Failure {
    pub fn new(code: Code, message: impl Display) -> Failure {
        Failure { code, message: message.to_string().chars().take(MESSAGE_CHARS).collect() }
    }

    /// `{"code":"…","message":"…"}`
    pub fn to_json(&self) -> Value {
        object([("code", Value::from(self.code.name())), ("message", Value::from(self.message.as_str()))])
    }

    /// The answer line of a launch that failed.
    pub fn line(&self) -> String {
        object([("error", self.to_json())]).to_string()
    }
}

pub trait OrFail<T> {
    /// Turns an error into a failure that says what was being done.
    fn or_fail(self, code: Code, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: Code, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(code, format_args!("{what}: {error}")))
    }
}
