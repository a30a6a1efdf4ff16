//! The request: one line of JSON, checked at the edge.

use crate::failure::{Code, Failure};
use crate::platform::Platform;
use serde::Deserialize;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Duration;

const MAX_REQUEST: u64 = 1 << 20;
const VERSION: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Request {
    Pull(PullRequest),
    Resolve(PullRequest),
    Import(ImportRequest),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    version: u32,
    pub store: PathBuf,
    pub reference: String,
    #[serde(default)]
    pub platform: Platform,
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default)]
    pub auth: Option<Auth>,
    #[serde(default)]
    pub auth_file: Option<PathBuf>,
    #[serde(default)]
    pub limits: Limits,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    version: u32,
    pub store: PathBuf,
    pub path: PathBuf,
    #[serde(default)]
    pub platform: Platform,
    #[serde(default)]
    pub limits: Limits,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    pub url: String,
    #[serde(default)]
    pub insecure: bool,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub username: String,
    pub password: String,
    pub identity_token: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Auth(…)")
    }
}

/// What may be spent on one request. Bytes are of unpacked files, `files` of one layer.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub layer_bytes: u64,
    pub image_bytes: u64,
    pub files: u64,
    pub layers: usize,
    stall_seconds: u64,
    pub retries: u32,
    at_once: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            layer_bytes: 16 << 30,
            image_bytes: 32 << 30,
            files: 1_000_000,
            layers: 256,
            stall_seconds: 30,
            retries: 5,
            at_once: 3,
        }
    }
}

impl Limits {
    pub fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds.max(1))
    }

    pub fn at_once(&self) -> usize {
        self.at_once.clamp(1, 64)
    }
}

impl Request {
    /// Reads the one line that asks.
    pub fn read(input: impl BufRead) -> Result<Request, Failure> {
        let mut line = Vec::new();
        let read = input.take(MAX_REQUEST + 1).read_until(b'\n', &mut line);
        read.map_err(|error| Failure::io("read the request", &error))?;
        if line.len() as u64 > MAX_REQUEST {
            return Err(Failure::new(Code::BadRequest, format_args!("the request is longer than {MAX_REQUEST} bytes")));
        }
        let request: Request = serde_json::from_slice(&line).map_err(|error| Failure::new(Code::BadRequest, error))?;
        request.checked()
    }

    fn checked(self) -> Result<Request, Failure> {
        let (version, store) = match &self {
            Request::Pull(pull) | Request::Resolve(pull) => (pull.version, &pull.store),
            Request::Import(import) => (import.version, &import.store),
        };
        if version != VERSION {
            return Err(Failure::new(Code::BadRequest, format_args!("version {version} is not known; {VERSION} is")));
        }
        if !store.is_absolute() {
            return Err(Failure::new(Code::BadRequest, "the store's path is not absolute"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(line: &str) -> Code {
        Request::read(line.as_bytes()).expect_err("refused").code
    }

    #[test]
    fn a_pull_needs_store_and_reference_alone() {
        let line = r#"{"version":1,"cmd":"pull","store":"/s","reference":"h/n:t"}"#;
        let Ok(Request::Pull(pull)) = Request::read(line.as_bytes()) else { panic!("not a pull") };
        assert_eq!(pull.platform, Platform::default());
        assert_eq!(pull.limits.retries, 5);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(code_of("nonsense"), Code::BadRequest);
        assert_eq!(code_of(r#"{"version":1,"cmd":"push","store":"/s"}"#), Code::BadRequest);
        assert_eq!(code_of(r#"{"version":2,"cmd":"pull","store":"/s","reference":"r"}"#), Code::BadRequest);
        assert_eq!(code_of(r#"{"version":1,"cmd":"pull","store":"/s","reference":"r","limit":{}}"#), Code::BadRequest);
        assert_eq!(code_of(r#"{"version":1,"cmd":"pull","store":"s","reference":"r"}"#), Code::BadRequest);
    }
}
