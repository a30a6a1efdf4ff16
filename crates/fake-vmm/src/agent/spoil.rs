//! Replies into frames, spoiled as the faults want it.

use crate::agent::frames::{self, frame, DATA, RESPONSE};
use crate::faults::Faults;
use crate::guest::reply::Reply;

const OVERSIZED: u32 = 64 << 20;

/// The bytes of a reply to a call of `method`.
pub fn encode(reply: Reply, method: &str, faults: &Faults) -> Vec<u8> {
    let (stream, answer) = match reply {
        Reply::Data { stream, message } => return frame(stream, DATA, &message),
        Reply::Response { stream, answer } => (stream, answer),
    };
    let body = match &answer {
        Ok(payload) => frames::response(Ok(payload)),
        Err((code, message)) => {
            let trace = if faults.has("agent-backtrace") { "\n\nStack backtrace:\n   0: fake::main" } else { "" };
            frames::response(Err((*code as u32, &format!("{message}{trace}"))))
        }
    };
    let spoils = |name: &str| faults.hits(name, method);
    if spoils("agent-garbage") {
        return (0..64u8).map(|byte| byte.wrapping_mul(37) ^ 0xa5).collect();
    }
    let stream = if spoils("agent-even-stream") { stream + 1 } else { stream };
    let mut bytes = frame(stream, RESPONSE, &body);
    if spoils("agent-oversized") {
        bytes[..4].copy_from_slice(&OVERSIZED.to_be_bytes());
    }
    if spoils("agent-duplicate") {
        bytes.extend_from_within(..);
    }
    bytes
}
