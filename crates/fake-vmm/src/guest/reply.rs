//! What the guest has to say to the host.

/// gRPC codes that the agent uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
}

pub type Answer = Result<Vec<u8>, (Code, String)>;

pub enum Reply {
    /// Ends the call.
    Response { stream: u32, answer: Answer },
    /// One message of a stream of messages.
    Data { stream: u32, message: Vec<u8> },
}

/// Collects replies, and knows how many bytes the port still takes.
pub struct Replies {
    pub list: Vec<Reply>,
    pub room: usize,
}

impl Replies {
    pub fn new(room: usize) -> Replies {
        Replies { list: Vec::new(), room }
    }

    pub fn answer(&mut self, stream: u32, answer: Answer) {
        self.list.push(Reply::Response { stream, answer });
    }

    pub fn fail(&mut self, stream: u32, code: Code, message: impl Into<String>) {
        self.answer(stream, Err((code, message.into())));
    }

    pub fn data(&mut self, stream: u32, message: Vec<u8>) {
        self.room = self.room.saturating_sub(message.len());
        self.list.push(Reply::Data { stream, message });
    }
}
