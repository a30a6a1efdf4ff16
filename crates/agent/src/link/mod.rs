//! The agent link: where a frame starts on a byte stream that survives reconnects (docs/protocols/agent-link.md).

pub mod machine;
pub mod search;
