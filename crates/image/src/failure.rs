//! Why a request failed: a closed code, a sentence, and what of the image it was about.

use serde::Serialize;
use std::fmt::Display;
use std::io;

/// The closed list of codes of docs/protocols/image-tool.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    BadRequest,
    NotFound,
    Unauthorized,
    Forbidden,
    RateLimited,
    Registry,
    Unreachable,
    Stalled,
    DigestMismatch,
    BadImage,
    WrongPlatform,
    TooLarge,
    StorageFull,
    Io,
    Cancelled,
}

/// The content of an `error` line.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The HTTP status, where a registry's answer was the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A message is cut here: parts of it come from registries and archives.
const MESSAGE_CHARS: usize = 1000;

impl Failure {
    pub fn new(code: Code, message: impl Display) -> Failure {
        Failure { code, message: message.to_string().chars().take(MESSAGE_CHARS).collect(), layer: None, status: None }
    }

    pub fn bad_image(message: impl Display) -> Failure {
        Failure::new(Code::BadImage, message)
    }

    pub fn cancelled() -> Failure {
        Failure::new(Code::Cancelled, "the work was given up")
    }

    /// An error of the system; a full disk has a code of its own.
    pub fn io(what: impl Display, error: &io::Error) -> Failure {
        match carried(error) {
            Some(failure) => failure.clone(),
            None => Failure::new(io_code(error), format_args!("{what}: {error}")),
        }
    }

    pub fn with_status(mut self, status: u16) -> Failure {
        self.status = Some(status);
        self
    }

    /// Says which layer it was, unless that was said before.
    pub fn of_layer(mut self, digest: impl Display) -> Failure {
        self.layer.get_or_insert_with(|| digest.to_string());
        self
    }

    /// To pass through an interface that knows io::Error only, such as Read; `Failure::io` brings it back.
    pub fn into_io(self) -> io::Error {
        io::Error::other(Carried(self))
    }
}

fn io_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::StorageFull,
        _ => Code::Io,
    }
}

#[derive(Debug)]
struct Carried(Failure);

impl Display for Carried {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Carried {}

fn carried(error: &io::Error) -> Option<&Failure> {
    error.get_ref()?.downcast_ref::<Carried>().map(|carried| &carried.0)
}

/// True of an error that carries a failure: it is not the reader's own.
pub fn carries_failure(error: &io::Error) -> bool {
    carried(error).is_some()
}

pub trait OrFail<T> {
    /// Turns an error of the system into a failure that says what was being done.
    fn or_fail(self, what: impl Display) -> Result<T, Failure>;
}

impl<T> OrFail<T> for io::Result<T> {
    fn or_fail(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::io(what, &error))
    }
}

impl<T> OrFail<T> for rustix::io::Result<T> {
    fn or_fail(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::io(what, &error.into()))
    }
}
