//! How a call ends when it does not succeed: a gRPC code and one line of text.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub code: Code,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Status>;

macro_rules! constructor {
    ($name:ident, $code:ident) => {
        pub fn $name(message: impl Into<String>) -> Status {
            Status { code: Code::$code, message: message.into() }
        }
    };
}

impl Status {
    constructor!(unknown, Unknown);
    constructor!(invalid, InvalidArgument);
    constructor!(deadline, DeadlineExceeded);
    constructor!(not_found, NotFound);
    constructor!(exists, AlreadyExists);
    constructor!(exhausted, ResourceExhausted);
    constructor!(precondition, FailedPrecondition);
    constructor!(aborted, Aborted);
    constructor!(out_of_range, OutOfRange);
    constructor!(unimplemented, Unimplemented);
    constructor!(internal, Internal);

    /// An operating system error, with what was being done.
    pub fn os(what: impl fmt::Display, error: impl fmt::Display) -> Status {
        Status::internal(format!("{what}: {error}"))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}
